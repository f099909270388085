"""A version on disk: its folder, its description and its warm-up requests."""
