"""A process that publishes versions of two files, without TensorFlow.

Arguments: the file of `keras_din.serving.version.folders`, the folder of the versions, how many
versions there shall be, and how many stay.
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
