"""What the benchmarks share: data, processes, timing, our DIN, the table."""
