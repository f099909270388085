"""Files for runtimes without TensorFlow: one module per format."""
