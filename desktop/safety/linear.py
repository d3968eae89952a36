"""A linear model over hashed features, read from a file of numbers. Never trained here: see convert/finetune."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from desktop.safety.features import BUCKETS, Features


@dataclass(frozen=True)
class Linear:
    """`weights` are int8, one row a bucket and one column an output; each column has its scale and its bias.

    `thresholds` were chosen where the weights were trained; what they are compared with is the user's matter.
    """

    weights: NDArray[np.int8]
    scales: NDArray[np.float32]
    biases: NDArray[np.float32]
    thresholds: NDArray[np.float32]

    def scores(self, features: Features) -> NDArray[np.float32]:
        """One number an output, as log-odds where it was trained so."""
        rows = self.weights[features.buckets].astype(np.float32)
        result: NDArray[np.float32] = (features.values @ rows) * self.scales + self.biases
        return result


def load(path: Path) -> Linear:
    """Reads an .npz of `weights` (int8), `scales`, `biases` and `thresholds`. Raises ValueError if it is none."""
    with np.load(path, allow_pickle=False) as file:
        weights, scales, biases, thresholds = (file[name] for name in ("weights", "scales", "biases", "thresholds"))
    if weights.dtype != np.int8 or weights.shape != (BUCKETS, len(scales)) or scales.shape != biases.shape:
        raise ValueError("not the weights of a linear model over these features")
    return Linear(weights, scales.astype(np.float32), biases.astype(np.float32), thresholds.astype(np.float32))
