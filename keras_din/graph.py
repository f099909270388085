"""Traversal of a functional Keras graph."""


def operations_before(tensor):
    """Yields each operation on which a `KerasTensor` depends once, starting with the last one."""
    visited, tensors = set(), [tensor]
    while tensors:
        operation = tensors.pop()._keras_history.operation
        if operation in visited:
            continue
        visited.add(operation)
        yield operation
        for node in operation._inbound_nodes:
            tensors += node.input_tensors
