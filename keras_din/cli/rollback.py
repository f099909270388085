"""Publish an older exported version again, under a new number, which servers load as the newest.

No version is removed. Without --to, it is the version before the one that is served. With servers
that get deltas, roll back where you export, and send the delta to the copy: a delta that was made
before a rollback on the server is refused there.

  keras-din rollback exported_models/din
  keras-din rollback exported_models/din --to 1795599111
"""


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("path", help="the folder of the versions, such as exported_models/din")
    parser.add_argument(
        "--to",
        type=int,
        metavar="VERSION",
        help="the number of the version (default: the one before the newest)",
    )


def run(options) -> dict:
    """Publishes the version, and prints and returns what was done."""
    from keras_din.serving.version.description import find_version, read_description
    from keras_din.serving.version.rollback import ORIGIN, rollback

    before = find_version(options.path)
    new = rollback(options.path, options.to)
    description = read_description(new)
    print(f"was served: {before.name}")
    print(f"is served: {new.name}, a copy of version {description[ORIGIN]}")
    print(f"written: {new}")
    return {"was_served": before.name, "version": str(new), "copy_of": description[ORIGIN]}
