"""Reproduces the DIN paper's table of results on real logs."""
