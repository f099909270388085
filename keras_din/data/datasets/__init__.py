"""Loaders of published data sets, and a synthetic one."""
