"""What a served version computes: functions of a TensorFlow graph."""
