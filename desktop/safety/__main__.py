"""Labelled rows as features, for training: `python -m desktop.safety FOLDER OUT.npz`. Never part of the app.

Row r has the buckets and values from starts[r] to starts[r + 1]; `levels` are ranks, `categories` places in Category,
`groups` blocks of neighbouring lines, which hold pairs and must not be split.
"""

import json
import sys
from pathlib import Path

import numpy as np

from desktop.records import Category, Level
from desktop.safety.reading import read

TRAINING = ("train", "f", "g", "h", "k")
BLOCK = 20


def main(folder: Path, out: Path) -> None:
    """Reads the training rows of `folder` and writes `out`."""
    buckets, values, starts, levels, categories, groups = [], [], [0], [], [], []
    for place, name in enumerate(TRAINING):
        lines = (folder / f"{name}.jsonl").read_text("utf-8").splitlines()
        for number, row in enumerate(map(json.loads, lines)):
            pieces, _ = read([(turn["role"], turn["text"]) for turn in row["turns"]] + [("user", row["text"])])
            if not pieces:
                continue
            buckets.append(pieces[0].buckets)
            values.append(pieces[0].values)
            starts.append(starts[-1] + len(pieces[0].buckets))
            levels.append(Level(row["label"]).rank)
            categories.append(list(Category).index(Category(row["category"])))
            groups.append(place * 1000 + number // BLOCK)
    np.savez(
        out,
        buckets=np.concatenate(buckets),
        values=np.concatenate(values),
        starts=np.array(starts),
        levels=np.array(levels),
        categories=np.array(categories),
        groups=np.array(groups),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
