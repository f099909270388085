"""Creates `tf.data` batches from samples and behavior logs."""
