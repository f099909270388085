"""Makes a virtual environment for each peer, for `run.py --peers FOLDER`.

    python benchmarks/peers/install.py FOLDER --fuxictr CHECKOUT

FuxiCTR's models are in its repository and not in its package: CHECKOUT is a copy of it. What
could not be installed leaves its reason in the folder, and the benchmark says it.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import venv

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from peers import reason_file

# DeepCTR is written for Keras 2, which newer TensorFlow has as tf_keras.
DEEPCTR = ["deepctr==0.9.4", "tensorflow==2.21.*", "tf_keras==2.21.*", "setuptools"]
FUXICTR = ["torch==2.13.0"]


class Failed(Exception):
    """An environment could not be made, and why."""


def install_deepctr(folder: pathlib.Path, checkout) -> None:
    pip(new_environment(folder), *DEEPCTR)


def install_fuxictr(folder: pathlib.Path, checkout) -> None:
    models = pathlib.Path(checkout or "") / "model_zoo" / "DIN"
    if checkout is None:
        raise Failed("its model zoo is not on PyPI, and --fuxictr CHECKOUT was not given")
    if not models.is_dir():
        raise Failed(f"{checkout} is no checkout of FuxiCTR: no folder model_zoo/DIN")
    pip(new_environment(folder), *FUXICTR, str(pathlib.Path(checkout).absolute()))
    shutil.copytree(models, folder / "model_zoo_din", dirs_exist_ok=True)


def new_environment(folder: pathlib.Path) -> str:
    """Makes it; its Python."""
    venv.create(folder, with_pip=True)
    return str(folder / "bin" / "python")


def pip(python: str, *packages: str) -> None:
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Failed(errors[0] if errors else f"pip ended with {done.returncode}")


INSTALL = {"deepctr": install_deepctr, "fuxictr": install_fuxictr}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path, help="the environments are made in it")
    parser.add_argument("--fuxictr", metavar="CHECKOUT", help="a checkout of FuxiCTR")
    parser.add_argument("--only", nargs="+", choices=list(INSTALL), default=list(INSTALL))
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        reason = reason_file(options.folder, name)
        reason.unlink(missing_ok=True)
        environment = options.folder / name
        try:
            INSTALL[name](environment, options.fuxictr)
            print(f"{name}: {environment}")
        except Failed as failed:
            # Half an environment would pass for one.
            shutil.rmtree(environment, ignore_errors=True)
            reason.write_text(f"{failed}\n", encoding="utf-8")
            print(f"{name}: {failed}", file=sys.stderr)


if __name__ == "__main__":
    main()
