"""The TensorFlow graph of a served version."""
