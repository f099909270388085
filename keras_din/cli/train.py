"""Train a model on prepared data until validation no longer gets better.

The run's folder holds its arguments, its metrics by step and its weights. A run that was killed
goes on from its last evaluation with --resume. The model popularity, the smoothed click rate per
item, is counted and not trained; options about epochs and steps change nothing there.

  keras-din train data runs/din
  keras-din train data runs/base --model base --option pooling=sum --option dropout=0.3
  keras-din train data runs/din --resume
"""

import json

from keras_din.cli.show import metrics_table

# The names in `keras_din.MODELS`, which would need Keras.
MODELS = (
    "popularity",
    "lr",
    "base",
    "wide_deep",
    "pnn",
    "deepfm",
    "dcn",
    "din",
    "dien",
    "bst",
)
# Those in `keras_din.monitor`, which would need NumPy.
MONITORS = ("gauc_then_logloss", "gauc", "auc", "logloss", "ne", "ece")
# What JSON spells otherwise.
_PYTHON = {"True": True, "False": False, "None": None}


def add_arguments(parser):
    """The words of the command."""
    parser.add_argument("data", help="a folder that keras-din prepare wrote")
    parser.add_argument("run", help="the folder of the run, a new one")
    parser.add_argument("--model", choices=MODELS, default="din", help="(default din)")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the model's builder, such as hidden_units=[128,64]; repeatable",
    )
    parser.add_argument(
        "--epochs", type=int, help="the most (default 10; of a run that goes on, what it was told)"
    )
    parser.add_argument("--batch-size", type=int, default=1024, help="(default 1024)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="(default 0.001)")
    parser.add_argument(
        "--mini-batch-aware",
        type=float,
        default=0.1,
        metavar="STRENGTH",
        help="of the regularization of the rows of a batch; 0 for none (default 0.1)",
    )
    parser.add_argument(
        "--positive-weight",
        type=float,
        default=1.0,
        metavar="WEIGHT",
        help="how much more the loss of a click counts, where there are few (default 1)",
    )
    parser.add_argument(
        "--ema-momentum",
        type=float,
        default=0.0,
        metavar="MOMENTUM",
        help="of the average of the weights over steps, which then is what is kept (default 0: "
        "none)",
    )
    parser.add_argument(
        "--patience",
        type=int,
        default=2,
        help="epochs without a better evaluation of validation after which training stops "
        "(default 2)",
    )
    parser.add_argument(
        "--monitor",
        choices=MONITORS,
        help="what is better: the highest gauc or auc, the lowest logloss, ne or ece, or of the "
        "evaluations whose GAUC is within its noise of the highest the one with the least logloss "
        "(default gauc_then_logloss; logloss where no user has both a click and none)",
    )
    parser.add_argument(
        "--evaluate-every", type=_every, default="epoch", metavar="STEPS", help="(default: epoch)"
    )
    parser.add_argument(
        "--by-request", action="store_true", help="a row is a request with all its candidates"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on with a run that was killed")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(options) -> None:
    """Trains and prints the metrics of the best weights."""
    builder_options = dict(map(_option, options.option))  # Before what takes seconds to import.
    from keras_din.data import PreparedData
    from keras_din.training import run_click_rates, train

    data = PreparedData.load(options.data)
    run = train(
        data,
        options.run,
        model=options.model,
        options=builder_options,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        mini_batch_aware=options.mini_batch_aware,
        positive_weight=options.positive_weight,
        ema_momentum=options.ema_momentum,
        patience=options.patience,
        monitor=options.monitor,
        evaluate_every=options.evaluate_every,
        by_request=options.by_request,
        seed=options.seed,
        data_folder=options.data,
        resume=options.resume,
        verbose=0 if options.quiet else "auto",
    )
    result, rates = run.result, run_click_rates(run)
    rows = {part: result[part] for part in ("valid", "test") if part in result}
    if "prior_strength" in result:
        print(f"prior strength {result['prior_strength']:g}")
    else:
        print(f"best step {result['best_step']}")
    if rows:
        print(metrics_table(rows))
    if rates.factor != 1:
        print(rates.describe())
    print(f"written: {options.run}")


def _option(text: str):
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"`--option` must be NAME=VALUE. Received: {text!r}.")
    if value in _PYTHON:
        return name, _PYTHON[value]
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _every(text: str):
    return text if text == "epoch" else int(text)
