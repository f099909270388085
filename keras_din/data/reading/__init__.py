"""Tables from any source as clean, typed columns; bad rows are kept aside."""
