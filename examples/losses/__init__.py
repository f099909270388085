"""Losses that rank against the crossentropy alone, on real logs."""
