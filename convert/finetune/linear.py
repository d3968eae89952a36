"""Trains the screen's linear model: `python -m convert.finetune.linear ROWS.npz OUT.npz`. Never reads a text.

Three outputs are the log-odds of "at least sensitive / high / crisis", fifteen more those of the categories. How
strongly weights are held small, and the thresholds, are chosen by cross-validation over blocks of neighbouring rows.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

BUCKETS = 1 << 17
FOLDS = 5
HELD = (0.3, 1.0, 3.0)
THREADS = 2
# What a choice of thresholds may cost at most, on rows that were not trained on.
FALSE_ALARMS, NONE_AS_SENSITIVE, SENSITIVE_AS_CRISIS = 0.045, 0.18, 0.03


class Rows:
    """The rows as a sparse matrix and its transpose, and what is to be learnt of each."""

    def __init__(self, file: "dict[str, NDArray[np.generic]]", chosen: NDArray[np.bool_], rarity: torch.Tensor) -> None:
        starts = np.asarray(file["starts"], np.int64)
        lengths = np.diff(starts)
        kept = np.repeat(chosen, lengths)
        columns = torch.from_numpy(np.asarray(file["buckets"], np.int64)[kept])
        row = torch.from_numpy(np.repeat(np.arange(chosen.sum()), lengths[chosen]))
        values = torch.from_numpy(np.asarray(file["values"], np.float32)[kept]) * rarity[columns]
        shape = (int(chosen.sum()), BUCKETS)
        matrix = torch.sparse_coo_tensor(torch.stack([row, columns]), values, shape).coalesce()
        self.matrix = matrix.to_sparse_csr()
        self.transposed = matrix.t().coalesce().to_sparse_csr()
        self.levels = torch.from_numpy(np.asarray(file["levels"], np.int64)[chosen])
        self.categories = torch.from_numpy(np.asarray(file["categories"], np.int64)[chosen])

    def targets(self) -> torch.Tensor:
        """One column an output: 1 where it holds."""
        return torch.cat(
            [
                (self.levels[:, None] >= torch.tensor([1, 2, 3])).float(),
                torch.nn.functional.one_hot(self.categories, 15).float(),
            ],
            1,
        )


def rarity(file: "dict[str, NDArray[np.generic]]") -> torch.Tensor:
    """How much a bucket says, by how few rows fill it."""
    counts = np.bincount(np.asarray(file["buckets"], np.int64), minlength=BUCKETS)
    return torch.from_numpy(np.log((len(file["levels"]) + 1) / (counts + 1)).astype(np.float32))


def train(rows: Rows, held: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (buckets, outputs) and biases of a regularised logistic regression."""
    targets = rows.targets()
    share = targets.mean(0)
    # Each side of an output weighs the same, up to a limit for the thin categories.
    balance = torch.where(targets > 0, (0.5 / share).clamp(max=4), (0.5 / (1 - share)).clamp(max=4))
    weights, biases = torch.zeros(BUCKETS, targets.shape[1]), torch.zeros(targets.shape[1])
    weights.grad, biases.grad = torch.zeros_like(weights), torch.zeros_like(biases)
    optimizer = torch.optim.LBFGS([weights, biases], max_iter=60, history_size=8, line_search_fn="strong_wolfe")

    def step() -> float:
        scores = rows.matrix @ weights + biases
        loss = (balance * torch.nn.functional.softplus(torch.where(targets > 0, -scores, scores))).sum()
        slope = balance * (torch.sigmoid(scores) - targets)
        weights.grad = rows.transposed @ slope + held * weights
        biases.grad = slope.sum(0)
        return float(loss + held / 2 * (weights * weights).sum())

    optimizer.step(step)
    return weights, biases


def held_out(file: "dict[str, NDArray[np.generic]]", held: float, scale: torch.Tensor) -> NDArray[np.float64]:
    """The chance of each level for each row, by weights that never saw it or its neighbours."""
    groups = np.asarray(file["groups"])
    order = {group: place for place, group in enumerate(np.random.default_rng(7).permutation(np.unique(groups)))}
    fold = np.array([order[group] % FOLDS for group in groups])
    chances = np.zeros((len(groups), 3))
    for number in range(FOLDS):
        weights, biases = train(Rows(file, fold != number, scale), held)
        scores = Rows(file, fold == number, scale).matrix @ weights[:, :3].contiguous() + biases[:3]
        chances[fold == number] = torch.sigmoid(scores).numpy()
    return chances


def thresholds(chances: NDArray[np.float64], levels: NDArray[np.int64]) -> NDArray[np.float32]:
    """The lowest that keep to the costs allowed above."""
    none, sensitive = levels == 0, levels == 1
    first = np.quantile(chances[none, 0], 1 - NONE_AS_SENSITIVE)
    second = np.quantile(chances[none, 1], 1 - FALSE_ALARMS)
    third = max(0.5, float(np.quantile(chances[sensitive, 2], 1 - SENSITIVE_AS_CRISIS)))
    return np.array([first, second, third], np.float32)


def told(chances: NDArray[np.float64], levels: NDArray[np.int64], chosen: NDArray[np.float32]) -> str:
    """What those thresholds catch and cost, in one line."""
    high = chances[:, 1] >= chosen[1]
    seen = high | (chances[:, 0] >= chosen[0])
    crisis = high & (chances[:, 2] >= chosen[2])
    return (
        f"crisis raised {high[levels == 3].mean():.3f}, crisis and high {high[levels >= 2].mean():.3f}, "
        f"false alarms {high[levels == 0].mean():.3f}, sensitive seen {seen[levels == 1].mean():.3f}, "
        f"none seen as sensitive or more {seen[levels == 0].mean():.3f}, "
        f"sensitive as crisis {crisis[levels == 1].mean():.3f}, crisis as crisis {crisis[levels == 3].mean():.3f}"
    )


def main(source: Path, out: Path) -> None:
    """Trains and writes `out`; prints what cross-validation found."""
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    with np.load(source) as opened:
        file = dict(opened)
    levels, scale = np.asarray(file["levels"], np.int64), rarity(file)
    tried = {held: held_out(file, held, scale) for held in HELD}
    chosen = {held: thresholds(chances, levels) for held, chances in tried.items()}
    for held, chances in tried.items():
        sys.stdout.write(f"held {held}: {told(chances, levels, chosen[held])}; {chosen[held]}\n")
    best = max(tried, key=lambda held: (tried[held][levels >= 2, 1] >= chosen[held][1]).mean())
    weights, biases = train(Rows(file, np.ones(len(levels), bool), scale), best)
    weights = weights * scale[:, None]
    scales = weights.abs().amax(0) / 127
    np.savez_compressed(
        out,
        weights=torch.round(weights / scales).to(torch.int8).numpy(),
        scales=scales.numpy(),
        biases=biases.numpy(),
        thresholds=chosen[best],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
