"""Write a trained model as a new version that TensorFlow Serving answers from.

keras-din export runs/din exported_models/din
keras-din export runs/din exported_models/din --keep 3
"""


def add_arguments(parser):
    """The words of the command."""
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument("path", help="the folder of the versions, such as exported_models/din")
    parser.add_argument(
        "--keep", type=int, metavar="N", help="versions that stay, the oldest go (default: all)"
    )


def run(options) -> None:
    """Exports the best model of a run and prints where the version is."""
    from keras_din.serving import export
    from keras_din.training import load_run, read_arguments

    run = load_run(options.run)
    version = export(
        run.model,
        run.spec,
        options.path,
        metrics=run.result,
        data_fingerprint=read_arguments(options.run)["fingerprint"],
        keep=options.keep,
    )
    print(f"written: {version}")
