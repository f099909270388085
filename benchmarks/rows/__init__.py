"""One module per row of the table: its measurements, the cases and the goals.

The docstring of a row is printed below the table. `lines(runner)` yields the lines of the row as
they are measured. Functions that `task_main` lists run in a new process, so only they import
TensorFlow, Keras and keras_din.
"""
