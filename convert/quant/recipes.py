"""Which tensor gets which type in a file of a given kind, as llama.cpp's own quantizer decides it.

Source: llama.cpp, src/llama-quant.cpp (tensor_allows_quantization, llama_tensor_get_type_impl,
tensor_type_fallback, init_quantize_state_counters). None of these recipes needs an importance matrix there; what
one changes is in the rules. Never looks at a tensor's values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from convert.quant.overrides import Override
from convert.quant.types import TYPES, TensorType
from convert.tensors import Shape


@dataclass(frozen=True)
class Traits:
    """What of a model decides on types.

    Layers, query heads per key-value head (rounded down), whether llama.cpp takes it for a 70B model, and whether
    an importance matrix is at hand.
    """

    layers: int
    grouping: int = 1
    is_70b: bool = False
    importance: bool = False


Where = Callable[[int, int], bool]  # (place among the tensors of its kind, how many there are) -> bool


def everywhere(_place: int, _number: int) -> bool:
    """All tensors of a kind."""
    return True


def more_bits(place: int, number: int) -> bool:
    """The first eighth, the last eighth, and every third between."""
    return place < number // 8 or place >= 7 * number // 8 or (place - number // 8) % 3 == 2


def first_eighth(place: int, number: int) -> bool:
    """The first eighth."""
    return place < number // 8


def first_sixteenth(place: int, number: int) -> bool:
    """The first sixteenth."""
    return place < number // 16


def first_2(place: int, _number: int) -> bool:
    """The first two."""
    return place < 2


def first_4(place: int, _number: int) -> bool:
    """The first four."""
    return place < 4


@dataclass(frozen=True)
class Rule:
    """A tensor of `kind` gets `type` at the places of `where`; the first rule that fits counts.

    `grouped` asks for a model with (True) or without (False) four or more query heads per key-value head,
    `importance` for a run with or without an importance matrix; None asks nothing.
    """

    kind: str
    type: str
    where: Where = everywhere
    grouped: bool | None = None
    importance: bool | None = None

    def fits(self, kind: str, place: int, number: int, traits: Traits) -> bool:
        """Whether the rule holds for the tensor at `place` among `number` of its kind."""
        return (
            kind == self.kind
            and self.grouped in (None, traits.grouping >= 4)
            and self.importance in (None, traits.importance)
            and self.where(place, number)
        )


@dataclass(frozen=True)
class Recipe:
    """A kind of file: its number in llama.h (enum llama_ftype), the type of most tensors, of the head, and rules."""

    name: str
    file_type: int
    default: str
    output: str
    rules: tuple[Rule, ...] = ()


V, DOWN, OUT = "attn_v.weight", "ffn_down", "attn_output.weight"
KINDS = (V, OUT, DOWN)  # what a name holds
_IQ4 = (Rule(V, "Q5_K", grouped=True), Rule(DOWN, "Q5_K", first_eighth, importance=False))
_MEDIUM = (Rule(V, "Q6_K", more_bits), Rule(DOWN, "Q6_K", more_bits))
_Q2_K = (Rule(V, "Q4_K", grouped=True), Rule(V, "Q3_K"), Rule(DOWN, "Q3_K"), Rule(OUT, "Q3_K"))
_Q3_K_M = (
    *(Rule(V, "Q5_K", first_2), Rule(V, "Q4_K")),
    *(Rule(DOWN, "Q5_K", first_sixteenth), Rule(DOWN, "Q4_K"), Rule(OUT, "Q4_K")),
)
_Q3_K_L = (Rule(V, "Q5_K"), Rule(DOWN, "Q5_K"), Rule(OUT, "Q5_K"))
_Q4_K_S = (Rule(V, "Q5_K", first_4), Rule(DOWN, "Q5_K", first_eighth))

RECIPES: Mapping[str, Recipe] = {
    row.name: row
    for row in (
        Recipe("F32", 0, "F32", "F32"),
        Recipe("F16", 1, "F16", "F16"),
        Recipe("BF16", 32, "BF16", "BF16"),
        Recipe("Q8_0", 7, "Q8_0", "Q8_0"),
        Recipe("Q4_0", 2, "Q4_0", "Q6_K", (Rule(DOWN, "Q4_1", first_eighth, importance=True),)),
        Recipe("Q4_1", 3, "Q4_1", "Q6_K"),
        Recipe("Q5_0", 8, "Q5_0", "Q6_K", (Rule(DOWN, "Q5_1", first_eighth, importance=True),)),
        Recipe("Q5_1", 9, "Q5_1", "Q6_K"),
        Recipe("Q2_K", 10, "Q2_K", "Q6_K", _Q2_K),
        Recipe("Q3_K_S", 11, "Q3_K", "Q6_K"),
        Recipe("Q3_K_M", 12, "Q3_K", "Q6_K", _Q3_K_M),
        Recipe("Q3_K_L", 13, "Q3_K", "Q6_K", _Q3_K_L),
        Recipe("Q4_K_S", 14, "Q4_K", "Q6_K", _Q4_K_S),
        Recipe("Q4_K_M", 15, "Q4_K", "Q6_K", _MEDIUM),
        Recipe("Q5_K_S", 16, "Q5_K", "Q6_K"),
        Recipe("Q5_K_M", 17, "Q5_K", "Q6_K", _MEDIUM),
        Recipe("Q6_K", 18, "Q6_K", "Q6_K"),
        Recipe("IQ4_NL", 25, "IQ4_NL", "Q6_K", _IQ4),
        Recipe("IQ4_XS", 30, "IQ4_XS", "Q6_K", _IQ4),
    )
}


def recipe_of(file_type: int) -> Recipe | None:
    """Return the recipe of the files with this number, or None when it is none of ours."""
    return next((recipe for recipe in RECIPES.values() if recipe.file_type == file_type), None)


# What a tensor gets whose rows are no whole number of blocks of the type in front; where that fits neither, F16.
FALLBACKS: Mapping[str, str] = {
    "Q2_K": "Q4_0",
    "Q3_K": "Q4_0",
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
    "IQ4_XS": "IQ4_NL",
}
# In a 70B model eight heads share one attn_v, so that better types cost little there.
BETTER_70B: Mapping[str, str] = {"Q3_K": "Q5_K", "Q4_K": "Q5_K"}


def tensor_types(
    recipe: Recipe, shapes: Mapping[str, Shape], traits: Traits, overrides: Sequence[Override] = ()
) -> Mapping[str, TensorType]:
    """Return the type of each tensor; `shapes` (rows first) by GGUF name, the file's tensors all together.

    Counted are the tensors of a kind in the order of llama.cpp's loader, those with an override left out.
    """
    default = TYPES[recipe.default]
    numbers = {V: sum(V in name for name in shapes), DOWN: traits.layers}
    places = dict.fromkeys(KINDS, 0)
    types = {}
    for name in sorted(shapes, key=loader_order):
        chosen = default
        if not is_quantizable(name, shapes[name]):
            types[name] = TYPES["F32"]
            continue
        if default.block > 1:
            forced = next((override.type for override in overrides if override.fits(name)), None)
            if forced:
                chosen = forced
            elif name == "output.weight" or ("output.weight" not in shapes and name == "token_embd.weight"):
                chosen = TYPES[recipe.output if default.fits(shapes[name][-1]) else "Q8_0"]
            elif kind := next((kind for kind in KINDS if kind in name), None):
                chosen = TYPES[_ruled(recipe, kind, places[kind], numbers.get(kind, 0), traits)]
                places[kind] += 1
        types[name] = _fitting(chosen, shapes[name][-1])
    return {name: types[name] for name in shapes}


def is_quantizable(name: str, shape: Shape) -> bool:
    """Whether a tensor may be anything but F32: a matrix of weights, no norm and no embedding of positions."""
    return (
        prod(shape[:-1]) > 1
        and name.endswith("weight")
        and "_norm.weight" not in name
        and name not in ("position_embd.weight", "token_types.weight")
    )


def loader_order(name: str) -> tuple[int, str]:
    """Return what llama.cpp's loader sorts tensors by: the number of the layer, -1 for none, then the name."""
    parts = name.split(".")
    return (int(parts[1]) if parts[0] == "blk" and len(parts) > 2 and parts[1].isdecimal() else -1, name)


def _ruled(recipe: Recipe, kind: str, place: int, number: int, traits: Traits) -> str:
    chosen = next((r.type for r in recipe.rules if r.fits(kind, place, number, traits)), recipe.default)
    return BETTER_70B.get(chosen, chosen) if kind == V and traits.is_70b else chosen


def _fitting(chosen: TensorType, columns: int) -> TensorType:
    if not chosen.fits(columns):
        chosen = TYPES[FALLBACKS.get(chosen.name, chosen.name)]
    return chosen if chosen.fits(columns) else TYPES["F16"]
