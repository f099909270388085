"""Scripts on real data. Run them from the root of the repository."""
