"""Traversal of a functional Keras graph, and names of operations that are added to it."""


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


def unused_name(name: str, tensor, taken: set) -> str:
    """Returns `name`, or `name_1`, `name_2`, ..., for an operation after a `KerasTensor`.

    Keras numbers default names from the start of the process, so a default name could repeat the
    name of an operation of a loaded model.

    Args:
        name: The name.
        tensor: The `KerasTensor`. No operation that it depends on has the result as name.
        taken: Further names that must not be used. The result is added to the set, for the outputs
            of a model.
    """
    taken |= {operation.name for operation in operations_before(tensor)}
    result, number = name, 0
    while result in taken:
        number += 1
        result = f"{name}_{number}"
    taken.add(result)
    return result
