"""A head that shares the embedding's matrix: what an adapter of one does to the other; never a file.

During training PEFT leaves a shared matrix as it is and trains beside it, so that what is trained on the embedding
is not seen by the head, unless ensure_weight_tying says so; trained rows (trainable_token_indices) and a
vocabulary that was enlarged count for both.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from convert.lora.changes import Change, Product
from convert.lora.settings import Settings
from convert.tensors import TensorSource


def completed(
    changes: Mapping[str, Change],
    head: str,
    embedding: str,
    settings: Settings,
) -> dict[str, Change]:
    """Return `changes` with those of `head` and `embedding` that count for both written to both."""
    h, e = changes.get(head, Change()), changes.get(embedding, Change())
    if e.whole and not h.whole and (settings.ties or not e.trained):
        h = replace(h, whole=e.whole, trained=e.trained)
    elif h.whole and not e.whole and not h.trained:
        e = replace(e, whole=h.whole)
    if settings.ties and e.product and not h.product:
        h = replace(h, product=e.product)
    if e.rows and not h.rows:
        h = replace(h, rows=e.rows)
    rest = {name: change for name, change in changes.items() if name not in (head, embedding)}
    return rest | {name: change for name, change in ((head, h), (embedding, e)) if change != Change()}


def same(one: Change, other: Change, source: TensorSource) -> bool:
    """Whether two changes by one adapter come to the same."""
    if one.rows is None or other.rows is None:
        rows = one.rows is other.rows
    else:
        rows = one.rows.numbers == other.rows.numbers and _equal(one.rows.key, other.rows.key, source)
    return rows and _equal(one.whole, other.whole, source) and _same_product(one.product, other.product, source)


def _same_product(one: Product | None, other: Product | None, source: TensorSource) -> bool:
    if one is None or other is None:
        return one is other
    if (one.scale, one.magnitude, other.magnitude) != (other.scale, None, None):
        return one == other
    return all(
        np.array_equal(a.read(source), b.read(source)) for a, b in ((one.left, other.left), (one.right, other.right))
    )


def _equal(one: str | None, other: str | None, source: TensorSource) -> bool:
    if one is None or other is None or one == other:
        return one == other
    return source.tensors[one].shape == source.tensors[other].shape and np.array_equal(
        source.read(one), source.read(other)
    )
