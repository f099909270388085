"""A script that publishes versions with two files, without TensorFlow.

Arguments: the path of `keras_din/serving/version/folders.py`, the folder of versions, the number
of versions to write, and the number to keep.
"""

import importlib.util
import sys
import time


def load(file):
    spec = importlib.util.spec_from_file_location("publishing", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(file, parent, count, keep):
    publishing = load(file)
    print("ready", flush=True)
    for _ in range(int(count)):
        with publishing.new_version(parent, keep=int(keep)) as version:
            for name in ("first", "second"):
                (version.folder / name).write_text("whole")
                time.sleep(0.001)


if __name__ == "__main__":
    main(*sys.argv[1:])
