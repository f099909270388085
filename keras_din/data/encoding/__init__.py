"""Raw values to indices and numbers."""
