"""How far adapters moved a model, layer by layer, for a person to see; never changes a value."""

import re
from collections.abc import Mapping
from math import hypot

LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h)\.(\d+)\.")


def layer_of(name: str) -> str:
    """Return the number of the layer that a weight belongs to, or its module's name when it is in none."""
    match = LAYER.search(name)
    return match[1] if match else name.removesuffix(".weight").rpartition(".")[2]


def norms_by_layer(norms: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return for each adapter how far it moved each layer, from how far it moved each weight, in the same order."""
    layers: dict[str, dict[str, float]] = {}
    for name, moved in norms.items():
        for label, norm in moved.items():
            of_adapter = layers.setdefault(label, {})
            of_adapter[layer_of(name)] = hypot(of_adapter.get(layer_of(name), 0.0), norm)
    return layers
