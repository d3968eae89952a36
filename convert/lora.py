"""Reads a LoRA adapter as PEFT saves it and adds its deltas to weights; never knows about GGUF.

Formula (Hu et al. 2021, arXiv:2106.09685): W' = W + alpha / r * B @ A, with A (r x in) and B (out x r).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import FLOAT_DTYPES, Array, TensorInfo, TensorSource, listing, shape_text

LARGEST = 3.4e38  # beyond it nothing can be added in float32
FACTOR = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<factor>[AB])\.weight")

# Fields of PEFT's LoraConfig that do not change how saved factors are merged.
HARMLESS = frozenset(
    {
        "auto_mapping", "base_model_name_or_path", "ensure_weight_tying", "eva_config", "exclude_modules",
        "inference_mode", "layers_pattern", "layers_to_transform", "lora_alpha", "lora_dropout",
        "megatron_core", "peft_type", "peft_version", "qalora_group_size", "r", "revision",
        "target_modules", "task_type",
    }
)  # fmt: skip

# Fields that do change it: the values that switch each one off (as null does), and what to say when it is on.
SWITCHES: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "use_rslora": ((False,), "rank-stabilised scaling (use_rslora) is not supported yet"),
    "use_dora": ((False,), "DoRA (use_dora) is not supported yet"),
    "use_qalora": ((False,), "QALoRA (use_qalora) cannot be merged"),
    "fan_in_fan_out": ((False,), "transposed weights (fan_in_fan_out) are not supported yet"),
    "bias": (("none",), "trained biases (bias) are not supported yet"),
    "lora_bias": ((False,), "LoRA biases (lora_bias) are not supported yet"),
    "modules_to_save": (([],), "fully trained modules (modules_to_save) are not supported yet"),
    "rank_pattern": (({},), "ranks per module (rank_pattern) are not supported yet"),
    "alpha_pattern": (({},), "scales per module (alpha_pattern) are not supported yet"),
    "trainable_token_indices": (
        ([], {}),
        "trained tokens (trainable_token_indices) are not supported yet",
    ),
    "init_lora_weights": (
        (True, False, "gaussian", "orthogonal", "eva"),
        "its way to start (init_lora_weights) changed the base in training, so the plain one does not fit it",
    ),
}


# Given rows of a weight (rows x in, checkpoint layout) and the number of the first, returns them merged, in float32.
Merge = Callable[[Array, int], Array]


@dataclass(frozen=True)
class Delta:
    """One weight's change: the names of its two factors in the adapter file, and the scale alpha / r."""

    factor_a: str
    factor_b: str
    scale: float


@dataclass(frozen=True)
class Adapter:
    """An adapter whose every tensor is known to fit: deltas by the name of the weight they belong to."""

    source: TensorSource
    deltas: Mapping[str, Delta]

    def merger(self, name: str) -> Merge | None:
        """Return what adds its delta to rows of the weight `name`, with the factors in memory; None without one."""
        delta = self.deltas.get(name)
        if delta is None:
            return None
        b, a = self.source.read(delta.factor_b), self.source.read(delta.factor_a)

        def add_delta(rows: Array, first: int) -> Array:
            # A sum beyond float32 becomes infinite, which the encoder refuses by name; numpy need not warn too.
            with np.errstate(over="ignore", invalid="ignore"):
                merged: Array = b[first : first + len(rows)] @ a
                merged *= np.float32(delta.scale)
                merged += rows
            return merged

        return add_delta


def read_adapter(config: Json, source: TensorSource, weights: Mapping[str, TensorInfo]) -> Adapter:
    """Return the adapter described by adapter_config.json and its tensors, to be merged into `weights`.

    Raises ConvertError when a setting is not understood, a factor fits no weight, lacks its partner or has
    another shape than its weight needs: every tensor of the adapter is used exactly once, or nothing is done.
    """
    rank, scale = _check_config(config)
    pairs: dict[str, dict[str, str]] = {}
    unknown = []
    for key in source.tensors:
        match = FACTOR.fullmatch(key)
        if match is None or f"{match['module']}.weight" not in weights:
            unknown.append(key)
        else:
            pairs.setdefault(f"{match['module']}.weight", {})[match["factor"]] = key
    if unknown:
        raise ConvertError(f"The adapter has tensors that fit nothing in the base: {listing(unknown)}.")
    if not pairs:
        raise ConvertError("The adapter holds no tensors, so there is nothing to merge.")
    deltas = {}
    for name, factors in pairs.items():
        if len(factors) != 2:
            raise ConvertError(f"The adapter has only one of the two factors for {name}.")
        deltas[name] = Delta(factors["A"], factors["B"], scale)
        _check_shapes(source.tensors, deltas[name], weights[name], rank)
    return Adapter(source, deltas)


def _check_config(config: Json) -> tuple[int, float]:
    """Return rank and scale, after making sure that no setting asks for more than plain LoRA."""
    if config.get("peft_type") != "LORA":
        raise ConvertError(f"The adapter is of the type {config.get('peft_type')!r}; only LORA can be merged.")
    for field, value in config.items():
        if field in SWITCHES:
            off, reason = SWITCHES[field]
            if value is not None and value not in off:
                raise ConvertError(f"The adapter cannot be merged: {reason}.")
        elif field not in HARMLESS and value not in (None, False, "", [], {}):
            raise ConvertError(f"The adapter sets {field}, which is not understood, so it cannot be merged safely.")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise ConvertError("The adapter's rank (r) is not a whole number above zero.")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not abs(alpha) < LARGEST:
        raise ConvertError("The adapter's lora_alpha is not a number.")
    return rank, alpha / rank


def _check_shapes(tensors: Mapping[str, TensorInfo], delta: Delta, weight: TensorInfo, rank: int) -> None:
    a, b = tensors[delta.factor_a], tensors[delta.factor_b]
    for factor in (a, b):
        if factor.dtype not in FLOAT_DTYPES:
            raise ConvertError(f"The adapter's tensor {factor.name} has the dtype {factor.dtype}, not a float.")
    if len(weight.shape) != 2 or a.shape != (rank, weight.shape[1]) or b.shape != (weight.shape[0], rank):
        raise ConvertError(
            f"The adapter does not fit the base at {weight.name} ({shape_text(weight.shape)}): its factors "
            f"are {shape_text(b.shape)} and {shape_text(a.shape)} with rank {rank}."
        )
