"""Scripts on real data; run from the root of the repository."""
