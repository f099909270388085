"""Sorts the rows of a log so that those of one request are adjacent."""

import numpy as np
import pandas as pd

from keras_din.data.reading.table import Events
from keras_din.data.store.order import number_requests


def sort_by_request(events: Events, request: str | None) -> tuple:
    """Sorts rows so that those of one request are adjacent.

    Returns:
        `(events, requests, time)`: the sorted events; the request number of each row, or `None`
        without requests; the earliest time of its request.
    """
    if request is None:
        return events, None, events.time
    code, _ = pd.factorize(events.frame[request])
    # By the first row of each user's request, so that the order does not depend on other users.
    of_user, _ = pd.factorize(events.user * (int(code.max(initial=0)) + 1) + code)
    code = np.where(code < 0, -1, of_user)
    number, at = number_requests(events.user, code, events.time)
    order = np.lexsort((number, at, events.user))
    ordered = events._replace(
        frame=events.frame.iloc[order],
        user=events.user[order],
        time=events.time[order],
        labels={name: values[order] for name, values in events.labels.items()},
        weight=None if events.weight is None else events.weight[order],
    )
    return ordered, number[order], at[order]
