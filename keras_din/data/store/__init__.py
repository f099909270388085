"""Stores prepared data in memory and on disk: columns, behavior logs and samples."""
