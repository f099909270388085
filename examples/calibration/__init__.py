"""What calibration on validation is worth on the test part of real logs."""
