"""The rows of the table, in its order. Each gives its lines one by one as it measures them."""

from rows import (
    grouped,
    history,
    inference,
    input,
    long,
    prepare,
    serving,
    start,
    streamed,
    training,
    vocabulary,
)

ROWS = {
    "training": training,
    "vocabulary": vocabulary,
    "history": history,
    "inference": inference,
    "long": long,
    "grouped": grouped,
    "serving": serving,
    "input": input,
    "prepare": prepare,
    "streamed": streamed,
    "start": start,
}
QUICK = ("training", "vocabulary", "start")
