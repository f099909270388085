"""Logs to prepared data."""
