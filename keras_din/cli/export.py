"""Write a trained model as a new version that TensorFlow Serving answers from.

keras-din export runs/din exported_models/din
"""


def add_arguments(parser):
    """The words of the command."""
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument("path", help="the folder of the versions, such as exported_models/din")


def run(options) -> None:
    """Exports the best model of a run and prints where the version is."""
    from keras_din.serving import export
    from keras_din.training import load_run

    run = load_run(options.run)
    print(f"written: {export(run.model, run.spec, options.path, metrics=run.result)}")
