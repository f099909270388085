"""Make the next version of an exported model from an earlier one and a delta.

The delta is a file of keras-din export --delta: it saves the transfer of the full version from the
trainer to the servers. The files of the version that is made have the same bytes as those of the
trainer.

  keras-din apply-delta exported_models/din 1795685511.delta
  keras-din apply-delta exported_models/din/1795599111 1795685511.delta --keep 3
"""

from keras_din.cli.show import delta_report


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument(
        "version",
        help="the folder of the version that the delta is based on, or of the versions that "
        "contain it",
    )
    parser.add_argument("delta", help="the file of the delta")
    parser.add_argument(
        "--keep", type=int, metavar="N", help="keep the N newest versions (default: all)"
    )


def run(options) -> dict:
    """Makes the version, and prints and returns the sizes."""
    from keras_din.serving.version.delta import apply_delta, read_delta

    version = apply_delta(options.version, options.delta, keep=options.keep)
    facts = read_delta(options.delta)
    print(delta_report(options.delta, facts))
    print(f"written: {version}")
    return {"version": str(version), "delta": facts}
