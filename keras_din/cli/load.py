"""Convert a published data set to a prepared data set, from its files as they were published.

  keras-din load mind MINDsmall_train MINDsmall_dev data
  keras-din load movielens ml-1m data
  keras-din load amazon reviews_Books_5.json.gz meta_Books.json.gz data
  keras-din load din-pickle dataset.pkl data

The functions `keras_din.data.load_mind` and so on have further options.
"""

from keras_din.cli.phases import phase
from keras_din.cli.show import report

# Name of the data set -> its loader, and the numbers of paths that it accepts.
LOADERS = {
    "mind": ("load_mind", (1, 2)),
    "movielens": ("load_movielens", (1,)),
    "amazon": ("load_amazon", (2,)),
    "din-pickle": ("load_din_pickle", (1,)),
}


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("name", choices=LOADERS, help="the data set")
    parser.add_argument("files", nargs="+", help="its files or folders, see above")
    parser.add_argument("data", help="the folder to write")
    parser.add_argument("--max-length", type=int, help="longest history (default: see the loader)")
    parser.add_argument("--dim", type=int, help="width of the embeddings (default 16)")
    parser.add_argument("--overwrite", action="store_true", help="replace existing prepared data")


def run(options) -> dict:
    """Loads and saves the data, and prints and returns a report."""
    from keras_din import data as loaders

    function, counts = LOADERS[options.name]
    if len(options.files) not in counts:
        raise ValueError(
            f"`load {options.name}` requires {' or '.join(map(str, counts))} paths, then the "
            f"folder to write. Received: {[*options.files, options.data]}."
        )
    given = {"max_length": options.max_length, "dim": options.dim}
    given = {name: value for name, value in given.items() if value is not None}
    with phase("read and prepare the files"):
        data = getattr(loaders, function)(*options.files, **given)
    with phase("save"):
        data.save(options.data, overwrite=options.overwrite)
    print(data.spec)
    print(report(data))
    print(f"written: {options.data}")
    return {"data": options.data, "report": data.report}
