"""Prepared data in shards, each with all rows of its users, for logs larger than a machine."""
