"""`Metrics`: a dict of metrics that notebooks show as a table."""

from keras_din.html_table import html_table

__all__ = ["Metrics"]


class Metrics(dict):
    """Name of the metric -> value, see `keras_din.metrics.all_metrics`. A notebook shows a table.

    Example:

    ```python
    kd.metrics.Metrics({"gauc": 0.63, "rows": 1000})["gauc"]  # 0.63
    ```
    """

    def _repr_html_(self) -> str:
        return html_table("Metrics", ("metric", "value"), self.items())
