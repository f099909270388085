"""Makes a virtual environment for each peer, for `run.py --peers FOLDER`.

    python benchmarks/peers/install.py FOLDER --fuxictr CHECKOUT

FuxiCTR's models are in its repository and not in its package: CHECKOUT is a copy of the repository.
If a peer can't be installed, the reason is written to the folder, and the benchmark's table has it.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import venv

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from peers import reason_file

# DeepCTR is written for Keras 2. With a new TensorFlow that is the package tf_keras.
DEEPCTR = ["deepctr==0.9.4", "tensorflow==2.21.*", "tf_keras==2.21.*", "setuptools"]
FUXICTR = ["torch==2.13.0"]


class InstallError(Exception):
    """An environment could not be made. The text is the reason."""


def install_deepctr(folder: pathlib.Path, checkout) -> None:
    pip(new_environment(folder), *DEEPCTR)


def install_fuxictr(folder: pathlib.Path, checkout) -> None:
    models = pathlib.Path(checkout or "") / "model_zoo" / "DIN"
    if checkout is None:
        raise InstallError("its models are not on PyPI, and --fuxictr CHECKOUT was not given")
    if not models.is_dir():
        raise InstallError(f"{checkout} is no checkout of FuxiCTR: it has no folder model_zoo/DIN")
    pip(new_environment(folder), *FUXICTR, str(pathlib.Path(checkout).absolute()))
    shutil.copytree(models, folder / "model_zoo_din", dirs_exist_ok=True)


def new_environment(folder: pathlib.Path) -> str:
    """Makes a virtual environment and returns its Python."""
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
        raise InstallError(errors[0] if errors else f"pip has exit status {done.returncode}")


INSTALL = {"deepctr": install_deepctr, "fuxictr": install_fuxictr}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path, help="where the environments are made")
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
        except InstallError as error:
            # Otherwise the next run would take the unfinished environment for a complete one.
            shutil.rmtree(environment, ignore_errors=True)
            reason.write_text(f"{error}\n", encoding="utf-8")
            print(f"{name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
