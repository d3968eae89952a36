"""Rotary positions (Su et al. 2021, arXiv:2104.09864): the order of rows, the base, stretching; never a weight's name.

Keys: llama.cpp's conversion/base.py (set_gguf_parameters); Llama 3.1's frequencies: conversion/llama.py
(generate_extra_tensors) and transformers' modeling_rope_utils.py.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from convert.arch.model import number
from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import Array, Metadata

# Numbers of YaRN (Peng et al. 2023, arXiv:2309.00071) that may be left out, and their keys.
YARN = {
    "extrapolation_factor": "yarn_ext_factor", "attention_factor": "yarn_attn_factor",
    "beta_fast": "yarn_beta_fast", "beta_slow": "yarn_beta_slow",
}  # fmt: skip


def interleave_halves(heads: int, values: Array) -> Array:
    """Return the rows of a query or key weight or bias in llama.cpp's order.

    Hugging Face rotates row i of a head with row i + d/2, llama.cpp row 2i with row 2i + 1 (`d` rows a head).
    """
    split = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return split.swapaxes(1, 2).reshape(values.shape)


def rotation_metadata(architecture: str, config: Json) -> Metadata:
    """Return the keys of the rotation's base and of linear or YaRN stretching. Raises ConvertError for other kinds."""
    settings = _settings(config)
    key = f"{architecture}.rope"
    metadata: Metadata = {f"{key}.freq_base": number(settings, "rope_theta", 10000.0)}
    kind = _kind(settings)
    if kind in (None, "default", "llama3"):
        return metadata
    if kind not in ("linear", "yarn"):
        raise ConvertError(f"This model stretches its context with {kind!r} rope scaling, which llama.cpp cannot do.")
    metadata |= {f"{key}.scaling.type": kind, f"{key}.scaling.factor": number(settings, "factor")}
    if kind == "yarn":
        length = number(settings | _outer(config), "original_max_position_embeddings")
        metadata[f"{key}.scaling.original_context_length"] = int(length)
        for name, to in YARN.items():
            if settings.get(name) is not None:
                metadata[f"{key}.scaling.{to}"] = number(settings, name)
    return metadata


def frequency_factors(config: Json, head_dim: int) -> Callable[[], Array] | None:
    """Return what makes Llama 3.1's head_dim / 2 divisors of the frequencies, or None where there are none.

    Long waves are stretched by `factor`, short ones kept, those between blended. Raises ConvertError.
    """
    settings = _settings(config)
    if _kind(settings) != "llama3":
        return None
    base = number(settings, "rope_theta", 10000.0)
    factor = number(settings, "factor", 8.0)
    low, high = number(settings, "low_freq_factor", 1.0), number(settings, "high_freq_factor", 4.0)
    length = number(settings, "original_max_position_embeddings", 8192.0)
    if low == high:
        raise ConvertError("config.json gives one and the same low_freq_factor and high_freq_factor: impossible.")

    def make() -> Array:
        # In float32 and in this order, as llama.cpp's converter computes them.
        one = np.float32(1)
        powers = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
        waves = np.float32(2 * math.pi) / (one / np.power(np.float32(base), powers))
        smooth = (np.float32(length) / waves - np.float32(low)) / np.float32(high - low)
        blended = one / ((one - smooth) / np.float32(factor) + smooth)
        long = np.where(waves > length / low, np.float32(factor), blended)
        factors: Array = np.where(waves < length / high, one, long)
        return factors

    return make


def _settings(config: Json) -> Json:
    """Return the settings of the rotation: transformers 5 keeps all in rope_parameters, earlier ones apart."""
    found = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(found, dict):
        raise ConvertError(f"config.json gives {found!r} as rope_scaling, which is no set of settings.")
    return {"rope_theta": config.get("rope_theta")} | {key: value for key, value in found.items() if value is not None}


def _kind(settings: Mapping[str, object]) -> object:
    return settings.get("rope_type") or settings.get("type")


def _outer(config: Json) -> Json:
    key = "original_max_position_embeddings"
    return {} if config.get(key) is None else {key: config[key]}
