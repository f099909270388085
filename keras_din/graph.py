"""The operations of a functional graph."""


def operations_before(tensor):
    """Yields each operation that a `KerasTensor` is made by, once, the last one first."""
    known, tensors = set(), [tensor]
    while tensors:
        operation = tensors.pop()._keras_history.operation
        if operation in known:
            continue
        known.add(operation)
        yield operation
        for node in operation._inbound_nodes:
            tensors += node.input_tensors
