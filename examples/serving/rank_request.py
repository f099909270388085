"""Shared by the clients: converts users to inputs of the signature `rank`, and prints rankings.

A user is a dict with the names of the spec: a value for each feature of the context, lists for the
candidates and for the behaviors, the most recent behavior last.

    {"segment": "new", "item": ["tea", "pot"], "hist_item": ["cup", "tea"]}

A request has one or more users, and all lists of an input are padded to the same length.
Candidates are padded at the end. All other lists are padded in front, with one value more than the
longest needs. So no history is empty, and its first value is always padding. This is necessary if
the server also pads requests (`pad_variable_length_inputs`): it repeats the first value of each
input.
"""

import json


def read_description(file) -> dict:
    """Reads `keras_din.json` of a version."""
    with open(file, encoding="utf-8") as text:
        return json.load(text)


def rank_inputs(description: dict, users: list) -> dict:
    """Returns input name -> nested lists, padded to the same shape.

    Raises:
        ValueError: If a user lacks an input or has an unknown one, if an input has another number
            of axes, or if the lists of the candidates, or of a sequence, have different lengths.
    """
    inputs = description["signatures"]["rank"]["inputs"]
    for i, user in enumerate(users):
        if user.keys() != inputs.keys():
            raise ValueError(
                f"user {i} must have the inputs {list(inputs)}. Received: {list(user)}."
            )
        for name, tensor in inputs.items():
            if not _is_nested(user[name], len(tensor["shape"]) - 1):
                raise ValueError(
                    f"user {i}: {name} must be a value, or lists of values, see keras_din.json. "
                    f"Received: {user[name]!r}."
                )
        for names in _aligned_inputs(description["spec"]):
            lengths = {name: len(user[name]) for name in names}
            if len(set(lengths.values())) > 1:
                raise ValueError(f"user {i}: lists must have equal lengths. Received: {lengths}.")
    return {
        name: _padded(
            [user[name] for user in users],
            axes=len(tensor["shape"]),
            value=description["padding"].get(name, "" if tensor["dtype"] == "string" else 0),
            candidates=name in description["spec"]["target"],
        )
        for name, tensor in inputs.items()
    }


def output_names(description: dict) -> list:
    """Returns the names of the model's outputs: `["ctr"]` of a model with one label."""
    return [name for name in description["signatures"]["rank"]["outputs"] if name != "order"]


def best_first(user: dict, candidates_name: str, order: list) -> list:
    """Returns the indices of a user's candidates, the best first, from their row of `order`.

    If another user of the request has more candidates, the row has additional indices, which are
    left out.
    """
    count = len(user[candidates_name])
    return [index for index in order if index < count]


def print_ranking(description: dict, users: list, answer: dict) -> None:
    """Prints the candidates of each user, the best first."""
    target = description["spec"]["target"]
    for i, user in enumerate(users):
        print(f"user {i}")
        for index in best_first(user, target[0], answer["order"][i]):
            words = [f"{answer[name][i][index]:.4f}" for name in output_names(description)]
            words += [f"{name}={user[name][index]}" for name in target]
            print("  " + "  ".join(words))


def _aligned_inputs(spec: dict) -> list:
    """Groups of inputs whose lists have equal lengths: the candidates, and each sequence."""
    sequences = [
        [f"{sequence['name']}_{feature}" for feature in sequence["of"] + sequence["side_features"]]
        for sequence in spec["sequences"]
    ]
    return [spec["target"], *sequences]


def _is_nested(values, depth: int) -> bool:
    """Whether values are lists nested `depth` deep. Text does not count as a list."""
    if not depth:
        return not isinstance(values, (list, tuple, dict))
    return isinstance(values, (list, tuple)) and all(_is_nested(v, depth - 1) for v in values)


def _padded(values: list, axes: int, value, candidates: bool) -> list:
    """Pads nested lists to the longest of each axis.

    Candidates are padded at the end. All other axes have one value more than the longest, in front.
    """
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
