"""Reads tables of any source as clean, typed columns, and keeps bad rows aside."""
