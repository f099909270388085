"""Steps are repeated after errors of workers, with a coordinator and servers of this test."""

import collections
import re
import threading

import pytest
import tensorflow as tf

from keras_din.distributed.experimental import remote_steps, server_marks
from keras_din.distributed.experimental.remote_steps import RemoteSteps
from keras_din.distributed.experimental.server_marks import ServerMarks, first_lines

ROOTS = (
    "2 root error(s) found.\n"
    "  (0) UNAVAILABLE:  Socket closed\n"
    "Additional GRPC error information from remote target /job:ps/replica:0/task:1:\n"
    "  (1) CANCELLED:  [_Derived_]RecvAsync is cancelled.\n"
    "0 successful operations.\n"
)
UNAVAILABLE = tf.errors.UnavailableError(None, None, ROOTS)
BINDING = TypeError(f"Binding inputs to tf.function failed due to `{ROOTS}`.")
CANCELED = tf.errors.CancelledError(None, None, "The corresponding function is cancelled.")


class Wrapped(Exception):
    """As TensorFlow wraps the error of an iterator that could not be created."""

    original_exception = UNAVAILABLE


class Coordinator:
    """Runs each step at once. An error cancels the steps after it until it is raised.

    Args:
        errors: Rows of a step -> the errors of its first runs.
    """

    def __init__(self, errors):
        self.errors = errors
        self.runs: list = []
        self.iterators = 0
        self.pending = None

    def create_per_worker_dataset(self, columns):
        return self

    def __iter__(self):
        self.iterators += 1
        return iter([self.iterators])

    def schedule(self, function, args):
        if self.pending is not None:
            self.done()
        iterator, rows = args
        self.runs.append(rows)
        found = self.errors.get(rows)
        error = found.pop(0) if found else None
        if error is not None:
            self.pending = error
        return Value(function(iterator, rows), error)

    def done(self):
        error, self.pending = self.pending, None
        if error is not None:
            raise error
        return True


class Value(collections.namedtuple("Value", "loss error")):
    def fetch(self):
        if self.error is not None:
            raise self.error
        return self.loss


class Servers(ServerMarks):
    """Servers of which some are lost."""

    def __init__(self, *lost):
        self._lost = dict.fromkeys(lost, "refused")

    def lost(self):
        return self._lost


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr(remote_steps, "_SECONDS_BETWEEN_REPEATS", 0.02)
    monkeypatch.setattr(server_marks, "_SECONDS_BETWEEN_READS", 0.0)


@pytest.fixture
def steps_of():
    """Function that creates `RemoteSteps`, which end with the test."""
    created = []

    def create(coordinator, servers=None, timeout=20.0):
        servers = Servers() if servers is None else servers
        function = lambda iterator, rows: rows / 4  # noqa: E731
        created.append(RemoteSteps(coordinator, servers, function, None, timeout))
        return created[-1]

    yield create
    for each in created:
        each.close()


def test_steps_are_repeated_if_all_servers_run(steps_of):
    """The error of step 2 is raised when step 3 is scheduled, so both are scheduled again."""
    unknown = tf.errors.InvalidArgumentError(None, None, "/job:worker/task:0 unknown device.")
    coordinator = Coordinator({2: [UNAVAILABLE, CANCELED, unknown, BINDING]})
    steps = steps_of(coordinator)
    for rows in (1, 2, 3):
        steps.schedule(rows, f"note {rows}")
    assert [steps.finish() for _ in range(3)] == [
        (0.25, "note 1"),
        (0.5, "note 2"),
        (0.75, "note 3"),
    ]
    assert len(steps) == 0
    assert coordinator.runs.count(1) == 1
    assert coordinator.runs.count(2) == 5
    assert coordinator.iterators == 1


def test_iterators_are_created_again(steps_of):
    coordinator = Coordinator({1: [Wrapped()]})
    steps = steps_of(coordinator)
    steps.schedule(1, None)
    assert steps.finish() == (0.25, None)
    assert coordinator.iterators == 2


@pytest.mark.parametrize(
    "error, servers, expected, text",
    [
        (
            UNAVAILABLE, Servers("'ps' 1"), ConnectionError,
            r"All parameter servers must run until the end. Received: a server that has ended or "
            r"was started again, so its variables are lost: 'ps' 1 \(refused\)\. .* "
            r"TensorFlow: 2 root error",
        ),
        (UNAVAILABLE, Servers(), ConnectionError, "all servers answer .* has failed 11 times"),
        (tf.errors.InvalidArgumentError(None, None, "shape"), Servers(), None, "^shape"),
        (TypeError("no tensor"), Servers("'ps' 0"), TypeError, "^no tensor"),
        (ValueError("no graph"), Servers("'ps' 0"), ValueError, "^no graph"),
        (
            tf.errors.NotFoundError(None, None, "a\nb: No such file or directory"), Servers(),
            FileNotFoundError, "All workers must see the files .* Received: b: No such file",
        ),
    ],
)  # fmt: skip
def test_errors_that_end_training(steps_of, error, servers, expected, text):
    steps = steps_of(Coordinator({1: [error] * 11}), servers)
    steps.schedule(1, None)
    with pytest.raises(expected or type(error), match=text):
        steps.finish()


def test_a_step_that_does_not_finish(steps_of):
    end = threading.Event()

    class Endless(Coordinator):
        def schedule(self, function, args):
            return self

        def fetch(self):
            end.wait(20)
            return 0.0

    steps = steps_of(Endless({}), timeout=0.1)
    steps.schedule(1, None)
    try:
        with pytest.raises(TimeoutError, match=r"A step must finish within 0\.1 seconds"):
            steps.finish()
    finally:
        end.set()


class Mark:
    """A variable whose first reads fail."""

    def __init__(self, failures):
        self.failures = failures

    def read_value(self):
        self.failures -= 1
        if self.failures >= 0:
            raise UNAVAILABLE
        return tf.constant(0)


def test_servers_that_answer_are_not_lost():
    marks = ServerMarks()
    assert marks.lost() == {}  # This process has no servers.
    marks._marks = {"a": Mark(0), "b": Mark(2)}
    assert marks.lost() == {}
    marks._marks = {"a": Mark(0), "c": Mark(99)}
    reason = first_lines(UNAVAILABLE)
    assert marks.lost() == {"c": reason}
    lost = rf"variables are lost: c \({re.escape(reason)}\)\. Start the servers"
    with pytest.raises(ConnectionError, match=lost), marks.checked():
        raise UNAVAILABLE
    marks._marks = {"b": Mark(2)}
    with pytest.raises(tf.errors.UnavailableError), marks.checked():
        raise UNAVAILABLE


def test_servers_that_never_answer_are_lost(monkeypatch):
    end = threading.Event()

    class Endless(Mark):
        def read_value(self):
            end.wait(20)
            raise UNAVAILABLE

    monkeypatch.setattr(server_marks, "_SECONDS_OF_AN_ANSWER", 0.1)
    marks = ServerMarks()
    marks._marks = {"a": Endless(0)}
    try:
        assert marks.lost() == {"a": "no answer in 0.1 seconds"}
        marks._marks["b"] = Mark(99)
        monkeypatch.setattr(server_marks, "_SECONDS_OF_AN_ANSWER", 20.0)
        assert list(marks.lost()) == ["b"]
    finally:
        end.set()


def test_first_lines_of_errors():
    assert first_lines(UNAVAILABLE) == (
        "2 root error(s) found. (0) UNAVAILABLE:  Socket closed "
        "(1) CANCELLED:  [_Derived_]RecvAsync is cancelled."
    )
    assert first_lines(tf.errors.AbortedError(None, None, "\n one\ntwo")) == "one"
    assert first_lines(ValueError()) == "ValueError()"
    text = "Graph execution error:\n\nDetected at node Gather defined at (most recent call last):\n"
    text += '  File "a.py", line 1, in <module>\n\n'
    assert first_lines(tf.errors.AbortedError(None, None, f"{text}one\n\t [[Gather]]")) == "one"
    unavailable = tf.errors.UnavailableError(None, None, text + ROOTS)
    assert first_lines(unavailable).startswith("2 root error(s) found. (0) UNAVAILABLE:")
