"""Loaders of Parquet files that we cut from published data sets; see README.md."""
