"""A process of its own: scores rows with TensorFlow alone, as a server would.

Keras can't be imported in it.

Arguments: a file with what to do (JSON), and where the answers go (JSON).
"""

import json
import sys


def main(job_file: str, answers_file: str) -> None:
    with open(job_file, encoding="utf-8") as file:
        job = json.load(file)
    sys.path[:] = job["path"]  # TensorFlow is where the asking process has it.
    # A server has neither. TensorFlow opens Keras where it can, which is half of its own start.
    for name in ("keras", "keras_din"):
        sys.modules[name] = None  # type: ignore[assignment]  # Python refuses to import it.
    cases = [(signature, read(inputs)) for signature, inputs in job["cases"]]
    answers = {"functions": by_functions(job["folder"], cases)}
    answers["session"] = by_session(job["folder"], cases)
    with open(answers_file, "w", encoding="utf-8") as file:
        json.dump(answers, file)


def read(inputs: dict) -> dict:
    """Arrays by name of `{"dtype": ..., "shape": ..., "values": ...}`."""
    import numpy as np

    return {
        name: np.array(array["values"], array["dtype"]).reshape(array["shape"])
        for name, array in inputs.items()
    }


def by_functions(folder: str, cases: list) -> list:
    """The outputs of each case from `tf.saved_model.load`."""
    import tensorflow as tf

    signatures = tf.saved_model.load(folder).signatures
    return [
        {
            name: output.numpy().tolist()
            for name, output in signatures[signature](
                **{name: tf.constant(values) for name, values in inputs.items()}
            ).items()
        }
        for signature, inputs in cases
    ]


def by_session(folder: str, cases: list) -> list:
    """The outputs of each case from a graph in a session, inputs and outputs by tensor name."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        described = v1.saved_model.loader.load(session, ["serve"], folder).signature_def
        answers = []
        for signature, inputs in cases:
            tensors = described[signature]
            outputs = session.run(
                {name: info.name for name, info in tensors.outputs.items()},
                {tensors.inputs[name].name: values for name, values in inputs.items()},
            )
            answers.append({name: output.tolist() for name, output in outputs.items()})
    return answers


if __name__ == "__main__":
    main(*sys.argv[1:])
