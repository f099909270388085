"""What the clients share: users as the inputs of the signature `rank`, and the answer best first.

A user is a dict by the names of the spec: a value of the context, a list of the candidates and
of the behaviors, the most recent last.

    {"segment": "new", "item": ["tea", "pot"], "hist_item": ["cup", "tea"]}

Several users make one request. Every list gets the same length then: candidates are padded at
the end, and all else in front, a value more than the longest is long. So no history is ever empty,
and its first value is always padding: a server that pads requests to join them
(`pad_variable_length_inputs`) repeats the first value of each.
"""

import json


def read_description(file) -> dict:
    """What `keras_din.json` of a version says."""
    with open(file, encoding="utf-8") as text:
        return json.load(text)


def rank_inputs(description: dict, users: list) -> dict:
    """Nested lists by input name, each of one shape: context, candidates and behaviors, padded.

    Raises:
        ValueError: When a user lacks an input or has one too many, when a value stands where a
            list should, or the other way round, or when lists that belong together, of the
            candidates or of a sequence, have different lengths.
    """
    told = description["signatures"]["rank"]["inputs"]
    for i, user in enumerate(users):
        if user.keys() != told.keys():
            raise ValueError(f"user {i} must have the inputs {list(told)}. Received: {list(user)}.")
        for name, tensor in told.items():
            if not _is_nested(user[name], len(tensor["shape"]) - 1):
                raise ValueError(
                    f"user {i}: {name} must be a value, or lists of values, as the version says. "
                    f"Received: {user[name]!r}."
                )
        for names in _side_by_side(description["spec"]):
            lengths = {name: len(user[name]) for name in names}
            if len(set(lengths.values())) > 1:
                raise ValueError(f"user {i}: lists must be of one length. Received: {lengths}.")
    return {
        name: _padded(
            [user[name] for user in users],
            axes=len(tensor["shape"]),
            value=description["padding"].get(name, "" if tensor["dtype"] == "string" else 0),
            candidates=name in description["spec"]["target"],
        )
        for name, tensor in told.items()
    }


def best_first(user: dict, candidates_name: str, ctr: list, order: list) -> list:
    """Pairs `(place among the candidates, ctr)` of a user, from his row of the answer.

    A row is wider than his candidates where another user had more; those places are left out.
    """
    return [(place, ctr[place]) for place in order if place < len(user[candidates_name])]


def print_ranking(description: dict, users: list, answer: dict) -> None:
    """Prints the candidates of each user, the best first."""
    target = description["spec"]["target"]
    for i, user in enumerate(users):
        print(f"user {i}")
        for place, ctr in best_first(user, target[0], answer["ctr"][i], answer["order"][i]):
            print(f"  {ctr:.4f}  " + "  ".join(f"{name}={user[name][place]}" for name in target))


def _side_by_side(spec: dict) -> list:
    """Names of the inputs whose lists belong together: of the candidates, of each sequence."""
    sequences = [
        [f"{sequence['name']}_{feature}" for feature in sequence["of"] + sequence["side_features"]]
        for sequence in spec["sequences"]
    ]
    return [spec["target"], *sequences]


def _is_nested(values, depth: int) -> bool:
    """Whether values are lists, so deep: text is none, though it has a length."""
    if not depth:
        return not isinstance(values, (list, tuple, dict))
    return isinstance(values, (list, tuple)) and all(_is_nested(v, depth - 1) for v in values)


def _padded(values: list, axes: int, value, candidates: bool) -> list:
    """Lists within lists, all of an axis made as long as the longest, and one more in front."""
    shape, inner = [len(values)], values
    for axis in range(1, axes):
        longest = max(map(len, inner), default=0)
        shape.append(longest if candidates and axis == 1 else longest + 1)
        inner = [item for items in inner for item in items]
    return _fill(values, shape, value, [candidates and axis == 1 for axis in range(axes)])


def _fill(values, shape: list, value, at_end: list):
    if not shape:
        return values
    items = [_fill(item, shape[1:], value, at_end[1:]) for item in values]
    fillers = [_full(shape[1:], value) for _ in range(shape[0] - len(items))]
    return items + fillers if at_end[0] else fillers + items


def _full(shape: list, value):
    return [_full(shape[1:], value) for _ in range(shape[0])] if shape else value
