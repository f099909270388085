"""Converts raw values to indices and numbers, and learns features from training values."""
