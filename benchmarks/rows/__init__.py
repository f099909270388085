"""The rows of the table, in its order. Each gives its lines one by one as it measures them."""

from rows import grouped, history, inference, prepare, start, training, vocabulary

ROWS = {
    "training": training,
    "vocabulary": vocabulary,
    "history": history,
    "inference": inference,
    "grouped": grouped,
    "prepare": prepare,
    "start": start,
}
QUICK = ("training", "vocabulary", "start")
