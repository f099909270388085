"""Checks that a served version gives the same numbers as the model that it was made from."""
