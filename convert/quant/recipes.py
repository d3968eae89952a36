"""Which tensor gets which type in a file of a given kind, as llama.cpp's own quantizer decides it.

Source: llama.cpp, src/llama-quant.cpp (tensor_allows_quantization, llama_tensor_get_type_impl,
tensor_type_fallback). Never looks at a tensor's values.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from convert.quant.types import TYPES, TensorType
from convert.tensors import Shape


@dataclass(frozen=True)
class Recipe:
    """A kind of file: its number in llama.h (enum llama_ftype), the type of most tensors and of the head."""

    name: str
    file_type: int
    default: str
    output: str


RECIPES: Mapping[str, Recipe] = {
    row.name: row
    for row in (
        Recipe("F32", 0, default="F32", output="F32"),
        Recipe("F16", 1, default="F16", output="F16"),
        Recipe("Q8_0", 7, default="Q8_0", output="Q8_0"),
        Recipe("Q4_0", 2, default="Q4_0", output="Q6_K"),
    )
}

# What a tensor gets whose rows are no whole number of blocks of the type in front.
FALLBACKS: Mapping[str, str] = {"Q6_K": "Q8_0"}


def tensor_type(recipe: Recipe, name: str, shape: Shape, *, tied: bool) -> TensorType:
    """Return the type of the tensor `name` (its GGUF name) of `shape` (rows first).

    `tied` says that the file has no output.weight, so that the token embedding is the output head as well.
    """
    kept = ("position_embd.weight", "token_types.weight")
    if len(shape) < 2 or not name.endswith(".weight") or name.endswith("_norm.weight") or name in kept:
        return TYPES["F32"]
    default = TYPES[recipe.default]
    if default.block == 1:
        return default
    columns = shape[-1]
    chosen = default
    if name == "output.weight" or (tied and name == "token_embd.weight"):
        chosen = TYPES[recipe.output]
    if not chosen.fits(columns):
        chosen = TYPES[FALLBACKS.get(chosen.name, chosen.name)]
    return chosen if chosen.fits(columns) else TYPES["F16"]
