"""Whether a served version gives the same numbers as the model it was made from."""
