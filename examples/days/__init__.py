"""Logs that arrive by day: updates, full retraining, and a model that is left alone."""
