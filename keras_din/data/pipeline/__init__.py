"""Samples and behavior logs to `tf.data` batches."""
