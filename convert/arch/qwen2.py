"""Qwen 2 and 2.5: a Llama whose queries, keys and values have biases; never its mixtures of experts.

Source: llama.cpp's conversion/qwen.py; defaults of config.json: transformers' Qwen2Config.
"""

from collections.abc import Mapping

from convert.arch.decoder import KEY, QUERY, VALUE, Family, describe_decoder
from convert.arch.model import Model
from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import TensorInfo

QWEN2 = Family("qwen2", context=32768, kv_heads=32, biases=(QUERY, KEY, VALUE))


def describe(config: Json, tensors: Mapping[str, TensorInfo]) -> Model:
    """Return what the Qwen 2 in `config` and `tensors` becomes. Raises ConvertError for unknown settings."""
    check_window(config)
    if config.get("head_dim") is not None:
        raise ConvertError("config.json gives head_dim, which llama.cpp's Qwen 2 does not know.")
    return describe_decoder(QWEN2, config, tensors)


def check_window(config: Json) -> None:
    """Refuse a model some of whose layers look back a part of the way only: llama.cpp's do not."""
    if config.get("use_sliding_window"):
        raise ConvertError("This model looks back through a sliding window (use_sliding_window), unlike llama.cpp.")
