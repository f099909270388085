"""Loaders of data sets in a form of our own, used by the examples and benchmarks."""
