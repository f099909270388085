"""A script that scores rows with TensorFlow only, like a server. Keras cannot be imported.

Arguments: the path of a JSON file with the job, and the path for a JSON file with the outputs.
"""

import json
import sys


def main(job_file: str, answers_file: str) -> None:
    with open(job_file, encoding="utf-8") as file:
        job = json.load(file)
    sys.path[:] = job["path"]  # The parent process finds TensorFlow there.
    # A server has neither package. TensorFlow would import Keras, which doubles its start-up time.
    for name in ("keras", "keras_din"):
        sys.modules[name] = None  # type: ignore[assignment]  # An import of it raises an error.
    cases = [(signature, read(inputs)) for signature, inputs in job["cases"]]
    answers = {"functions": by_functions(job["folder"], cases)}
    answers["session"] = by_session(job["folder"], cases)
    with open(answers_file, "w", encoding="utf-8") as file:
        json.dump(answers, file)


def read(inputs: dict) -> dict:
    """Converts `{name: {"dtype": ..., "shape": ..., "values": ...}}` to arrays by name."""
    import numpy as np

    return {
        name: np.array(array["values"], array["dtype"]).reshape(array["shape"])
        for name, array in inputs.items()
    }


def by_functions(folder: str, cases: list) -> list:
    """Returns the outputs of each case, computed by the functions of `tf.saved_model.load`."""
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
    """Returns the outputs of each case, computed by a session. Tensors are found by name."""
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
