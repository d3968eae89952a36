"""The guard's labelled sentences as features, for training: `python -m desktop.safety.guard_rows JSONL OUT.npz`.

Never part of the app. Row r has the buckets and values from starts[r] to starts[r + 1]; `bad` says whether it may not
be said, `rules` are places in the guard's list of rules (-1: none), `trained` is False for every tenth row.
"""

import json
import sys
from pathlib import Path

import numpy as np

from desktop.safety.guard import rule_names
from desktop.safety.sentence import read

TENTH = 10


def main(rows: Path, out: Path) -> None:
    """Reads the sentences of `rows` and writes `out`."""
    names = rule_names()
    labelled = [json.loads(line) for line in rows.read_text("utf-8").splitlines()]
    found = [read(row["text"]) for row in labelled]
    np.savez(
        out,
        buckets=np.concatenate([one.buckets for one in found]),
        values=np.concatenate([one.values for one in found]),
        starts=np.cumsum([0] + [len(one.buckets) for one in found]),
        bad=np.array([row["label"] == "bad" for row in labelled]),
        rules=np.array([names.index(row["rule"]) if row["rule"] in names else -1 for row in labelled]),
        trained=np.array([number % TENTH != 0 for number in range(len(labelled))]),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
