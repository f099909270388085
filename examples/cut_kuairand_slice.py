"""Makes the slice of KuaiRand in the package: the columns of the demo, for some users.

    python examples/cut_kuairand_slice.py KUAIRAND_FOLDER keras_din/data/datasets/kuairand_slice

KuaiRand (Gao et al., CIKM 2022) is licensed CC BY-SA 4.0, and so is the slice.
"""

import argparse
import pathlib
import shutil

import numpy as np
import pandas as pd

IMPRESSIONS = ["user_id", "video_id", "time_ms", "date", "tab", "is_click", "long_view"]
VIDEOS = ["video_id", "author_id", "tag"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=pathlib.Path, help="folder with KuaiRand's Parquet files")
    parser.add_argument("target", type=pathlib.Path, help="folder to write the slice to")
    parser.add_argument("--share", type=float, default=1.0, help="share of the users")
    parser.add_argument("--seed", type=int, default=0, help="seed that draws the users")
    options = parser.parse_args()

    log = pd.read_parquet(options.source / "impressions.parquet")
    users = np.sort(log["user_id"].unique())
    rng = np.random.default_rng(options.seed)
    users = rng.choice(users, int(options.share * len(users)), replace=False)
    log = log.loc[log["user_id"].isin(users), IMPRESSIONS]
    history = pd.read_parquet(options.source / "history.parquet")
    history = history.loc[history["user_id"].isin(users), ["user_id", "long_watched"]]
    watched = history["long_watched"].explode().dropna().astype("int64")
    seen = pd.concat([log["video_id"], watched]).unique()
    videos = pd.read_parquet(options.source / "videos.parquet")[VIDEOS]
    videos = videos[videos["video_id"].isin(seen)]

    options.target.mkdir(parents=True, exist_ok=True)
    for name, table in (("impressions", log), ("history", history), ("videos", videos)):
        file = options.target / f"{name}.parquet"
        table.to_parquet(file, index=False, compression="zstd", compression_level=19)
        print(f"{file}: {len(table):,} rows, {file.stat().st_size:,} bytes")
    shutil.copy(options.source / "LICENSE", options.target / "LICENSE")


if __name__ == "__main__":
    main()
