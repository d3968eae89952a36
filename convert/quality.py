"""What two models' logits say about how well one stands for the other; never runs a model.

Perplexity is e to the mean of -log p of the text's next token; its error, and that of every mean here, is the
population's standard deviation over the square root of (values - 1), as llama.cpp's perplexity tool states it
(tools/perplexity/perplexity.cpp). The divergence is Kullback-Leibler, sum of p (log p - log q) over the vocabulary with
p the reference's, in natural units. All of it is computed in float64 from float32 logits: nothing is stored in 16
bits on the way, so that a model against itself has exactly 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
from numpy.typing import NDArray

from convert.tensors import Array

Values = NDArray[np.float64]
ROWS = 16  # of logits at a time, so that little memory is taken at any size of vocabulary


@dataclass(frozen=True)
class Estimate:
    """A mean and its error."""

    value: float
    error: float


@dataclass(frozen=True)
class Agreement:
    """How far a model is from a reference on the same text.

    `ratio` of their perplexities, mean `divergence` with its median, 99th percentile and largest value, and the share
    of tokens where both find the same one the likeliest.
    """

    ratio: Estimate
    divergence: Estimate
    divergence_median: float
    divergence_99: float
    divergence_largest: float
    same_top: Estimate


class Tally:
    """Collects what one model says token by token, and how it compares with a reference's word."""

    def __init__(self) -> None:
        self._losses: list[Values] = []
        self._divergences: list[Values] = []
        self._same: list[NDArray[np.bool_]] = []

    def add(self, logits: Array, targets: Sequence[int], reference: Array | None = None) -> None:
        """Count the logits (tokens x vocabulary) before each of `targets`; the reference's are of the same shape."""
        for start in range(0, len(targets), ROWS):
            part = slice(start, min(start + ROWS, len(targets)))
            own = log_probabilities(logits[part])
            self._losses.append(-own[np.arange(len(own)), np.asarray(targets[part])])
            if reference is not None:
                theirs = log_probabilities(reference[part])
                self._divergences.append((np.exp(theirs) * (theirs - own)).sum(axis=1))
                self._same.append(logits[part].argmax(axis=1) == reference[part].argmax(axis=1))

    @property
    def losses(self) -> Values:
        """-log p of each target."""
        return np.concatenate(self._losses)

    def perplexity(self) -> Estimate:
        """Return the perplexity."""
        loss = estimate(self.losses)
        return Estimate(exp(loss.value), exp(loss.value) * loss.error)

    def agreement(self, reference: "Tally") -> Agreement:
        """Return how far it is from `reference`, whose logits were given to every `add`."""
        ratio = estimate(self.losses - reference.losses)
        divergences, same = np.concatenate(self._divergences), np.concatenate(self._same)
        share = float(same.mean())
        return Agreement(
            Estimate(exp(ratio.value), exp(ratio.value) * ratio.error),
            estimate(divergences),
            float(np.median(divergences)),
            float(np.quantile(divergences, 0.99)),
            float(divergences.max()),
            Estimate(share, sqrt(share * (1 - share) / (len(same) - 1))),
        )


def log_probabilities(logits: Array) -> Values:
    """Return the logarithm of the probabilities that logits (tokens x vocabulary) stand for."""
    values = logits.astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    values -= np.log(np.exp(values).sum(axis=1, keepdims=True))
    return values


def estimate(values: Values) -> Estimate:
    """Return the mean of at least two values, and its error."""
    return Estimate(float(values.mean()), float(values.std()) / sqrt(len(values) - 1))
