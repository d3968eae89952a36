"""Writes an adapter alone as a GGUF that llama.cpp adds to its base when it loads; never merges anything.

llama.cpp computes W x + scale * B (A x) with scale = alpha / rank of B, one alpha for the whole file
(src/llama-adapter.h); scales that differ from that, as rsLoRA's and alpha_pattern's do, are multiplied into B. The
order of rows that a weight gets in GGUF is B's. For the embedding, A and B are kept as one row per token and the
transposed other factor (src/llama-graph.cpp).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert.arch import describe, tied_weights
from convert.arch.model import Row
from convert.checkpoint import open_folder
from convert.errors import ConvertError
from convert.gguf_out import GgufFile, declare
from convert.json_file import read_object
from convert.lora import Merge
from convert.lora.changes import Product
from convert.merging import AdapterChoice, merge_into
from convert.quant.types import TYPES
from convert.target import check_inputs_kept, check_name
from convert.tensors import Array, Metadata, listing

EMBEDDING = "token_embd.weight"
INSTEAD = "merge it into the model with `quietroom-convert gguf --adapter` instead."


@dataclass(frozen=True)
class Written:
    """For how many weights the file holds a pair of factors, and what a person should know."""

    pairs: int
    notices: tuple[str, ...]


def write_adapter(base: Path, adapter: Path, out: Path, *, overwrite: bool = False) -> Written:
    """Write the adapter in the folder `adapter` of the checkpoint in `base` as GGUF to `out`.

    Raises ConvertError when the adapter does more than llama.cpp can do at load, or when it cannot be written.
    """
    check_name(out, overwrite=overwrite)
    checkpoint, choice = open_folder(base), AdapterChoice(adapter)
    config = read_object(base / "config.json")
    tied = tied_weights(config, checkpoint.tensors)
    merge = merge_into(checkpoint, [choice], base, tied)
    products = _products(merge)
    if shared := [name for pair in tied.items() for name in pair if name in products]:
        # llama.cpp finds factors by the name of the matrix, and embedding and head need other ones.
        raise ConvertError(f"The adapter changes {shared[0]}, which the base uses as embedding and as head; {INSTEAD}")
    model = describe(config, merge.tensors)
    check_inputs_kept(out, (base, adapter))
    alpha = _alpha(merge, products)
    pairs = {row.name: _pair(row, products[row.source], alpha, merge) for row in model.rows if row.source in products}
    _write(out, model.name, choice.label, alpha or 1.0, pairs)
    return Written(len(pairs), merge.notices)


def _products(merge: Merge) -> dict[str, Product]:
    """Return the products that the adapter adds, by weight. Raises ConvertError when it does anything else."""
    products, others = {}, []
    for name, by_adapter in merge.changes.items():
        for change in by_adapter.values():
            product = change.product
            if product is None or product.magnitude or change.whole or change.rows or change.shift:
                others.append(name)
            else:
                products[name] = product
    if others:
        raise ConvertError(
            f"The adapter does more to {listing(others)} than adding a product (DoRA, modules_to_save, trained "
            f"tokens or biases), which llama.cpp cannot do at load; {INSTEAD}"
        )
    return products


def _rank(product: Product, merge: Merge) -> int:
    return min(merge.adapters[0].source.tensors[product.left.key].shape)


def _alpha(merge: Merge, products: Mapping[str, Product]) -> float | None:
    """Return the alpha that gives every product its scale, or None when there is no such number."""
    alphas = {product.scale * _rank(product, merge) for product in products.values()}
    return alphas.pop() if len(alphas) == 1 else None


def _pair(row: Row, product: Product, alpha: float | None, merge: Merge) -> tuple[Array, Array]:
    """Return the factors of one weight as llama.cpp wants them, rows first: (r x in, out x r).

    Without a common alpha the file says 1, which llama.cpp divides by the rank.
    """
    source = merge.adapters[0].source
    left, right = product.left.read(source), product.right.read(source)
    fold = np.float32(1 if alpha else product.scale * _rank(product, merge))
    if row.name == EMBEDDING:
        return left, np.ascontiguousarray(right.T) * fold
    return right, np.ascontiguousarray(row.reshape(left) if row.reshape else left) * fold


def _write(out: Path, architecture: str, name: str, alpha: float, pairs: Mapping[str, tuple[Array, Array]]) -> None:
    metadata: Metadata = {
        "general.architecture": architecture,
        "general.type": "adapter",
        "general.name": name,
        "general.file_type": 0,
        "adapter.type": "lora",
        "adapter.lora.alpha": alpha,
    }
    factors = {f"{weight}.lora_{side}": pair[i] for weight, pair in pairs.items() for i, side in enumerate("ab")}
    layout = declare(metadata, ((n, v.shape, TYPES["F32"].number, v.nbytes) for n, v in factors.items()))
    with GgufFile(out, layout) as file:
        for factor, values in factors.items():
            file.write(factor, np.ascontiguousarray(values).reshape(-1).view(np.uint8))
        file.finish()
