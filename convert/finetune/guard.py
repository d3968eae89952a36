"""Trains the answer guard's linear model: `python -m convert.finetune.guard ROWS.npz OUT.npz`. Never reads a text.

A kernel logistic regression by Newton steps, in numpy alone: with fewer rows than buckets the weights are a sum of
rows, so that one system of rows times rows is solved and no step size is chosen. The first output is the log-odds of
"may not be said", the others those of each rule. Every tenth row is left out for honest figures.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 17
FOLDS = 5
HELD = (1.0, 3.0, 10.0)
STEPS = 8
BLOCK = 4096
# How many of the good sentences, all of them hard, the model alone may hold among those it was not trained on.
FALSE_HOLDS = 0.01

Floats = NDArray[np.float64]


def matrix(file: "dict[str, NDArray[np.generic]]") -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The rows by the buckets that any of them fills, weighed by rarity; and those buckets."""
    starts, buckets = np.asarray(file["starts"], np.int64), np.asarray(file["buckets"], np.int64)
    filled, columns, counts = np.unique(buckets, return_inverse=True, return_counts=True)
    dense = np.zeros((len(starts) - 1, len(filled)), np.float32)
    dense[np.repeat(np.arange(len(starts) - 1), np.diff(starts)), columns] = file["values"]
    return dense * np.log(len(starts) / (counts + 1)).astype(np.float32), filled


def fit(kernel: Floats, targets: NDArray[np.bool_], held: float) -> tuple[Floats, float]:
    """How much each row counts, and the bias, for one output."""
    count = len(targets)
    system = np.ones((count + 1, count + 1))
    system[count, count] = 0
    weights, bias = np.zeros(count), 0.0
    for _ in range(STEPS):
        scores = kernel @ weights + bias
        chances = 1 / (1 + np.exp(-np.clip(scores, -30, 30)))
        spread = np.maximum(chances * (1 - chances), 1e-6)
        system[:count, :count] = kernel + np.diag(held / spread)
        solved = np.linalg.solve(system, np.append(scores + (targets - chances) / spread, 0))
        weights, bias = solved[:count], float(solved[count])
    return weights, bias


def held_out(kernel: Floats, targets: NDArray[np.bool_], held: float) -> Floats:
    """Each row's score by weights that never saw it."""
    fold = np.random.default_rng(5).permutation(len(targets)) % FOLDS
    scores = np.zeros(len(targets))
    for number in range(FOLDS):
        seen = fold != number
        weights, bias = fit(kernel[np.ix_(seen, seen)], targets[seen], held)
        scores[~seen] = kernel[np.ix_(~seen, seen)] @ weights + bias
    return scores


def threshold(scores: Floats, bad: NDArray[np.bool_]) -> float:
    """The lowest score that keeps to the false holds allowed above."""
    return float(np.quantile(scores[~bad], 1 - FALSE_HOLDS))


def main(source: Path, out: Path) -> None:
    """Trains and writes `out`; prints what cross-validation and the tenth that was left out say."""
    with np.load(source) as opened:
        file = dict(opened)
    every, filled = matrix(file)
    bad, rules = np.asarray(file["bad"], bool), np.asarray(file["rules"], np.int64)
    kept = np.asarray(file["trained"], bool)
    rows = every[kept]
    kernel = (rows @ rows.T).astype(np.float64)
    tried = {held: held_out(kernel, bad[kept], held) for held in HELD}
    chosen = {held: threshold(scores, bad[kept]) for held, scores in tried.items()}
    for held, scores in tried.items():
        caught = (scores[bad[kept]] > chosen[held]).mean()
        sys.stdout.write(
            f"held {held}: {caught:.3f} of the bad at {FALSE_HOLDS} of the good, above {chosen[held]:.3f}\n"
        )
    best = max(tried, key=lambda held: (tried[held][bad[kept]] > chosen[held]).mean())
    outputs = [bad[kept]] + [bad[kept] & (rules[kept] == rule) for rule in range(int(rules.max()) + 1)]
    fitted = [fit(kernel, output, best) for output in outputs]
    weights = np.zeros((BUCKETS, len(outputs)), np.float32)
    rarity = np.log((len(bad) + 1) / (np.unique(np.asarray(file["buckets"]), return_counts=True)[1] + 1))
    weights[filled] = (rows.T @ np.stack([one for one, _ in fitted], 1).astype(np.float32)) * rarity[:, None]
    biases = np.array([bias for _, bias in fitted], np.float32)
    left_out = every[~kept] @ (weights[filled, 0] / rarity.astype(np.float32)) + biases[0]
    caught, touched = left_out[bad[~kept]] > chosen[best], left_out[~bad[~kept]] > chosen[best]
    sys.stdout.write(
        f"left out: {caught.mean():.3f} of {len(caught)} bad held, {touched.mean():.3f} of {len(touched)} good\n"
    )
    scales = np.abs(weights).max(0) / 127
    np.savez_compressed(
        out,
        weights=np.round(weights / scales).astype(np.int8),
        scales=scales,
        biases=biases,
        thresholds=np.array([chosen[best]], np.float32),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
