"""Shared modules of the benchmarks: data, processes, timing, our DIN, the table."""
