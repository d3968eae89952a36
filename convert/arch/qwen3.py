"""Qwen 3: heads of a length of their own, each normalized; never its mixtures of experts or its reranker.

Source: llama.cpp's conversion/qwen.py; defaults of config.json: transformers' Qwen3Config.
"""

from collections.abc import Mapping

from convert.arch.decoder import Family, describe_decoder, read_sizes
from convert.arch.model import Model
from convert.arch.qwen2 import check_window
from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import TensorInfo

QWEN3 = Family("qwen3", context=32768, kv_heads=32, head_dim=128, head_norms=True)


def describe(config: Json, tensors: Mapping[str, TensorInfo]) -> Model:
    """Return what the Qwen 3 in `config` and `tensors` becomes. Raises ConvertError for unknown settings."""
    check_window(config)
    if config.get("attention_bias"):
        raise ConvertError("This model has biases (attention_bias), which llama.cpp's Qwen 3 does not know.")
    length = read_sizes(QWEN3, config, tensors).head_dim
    lengths = {f"qwen3.attention.{kind}_length": length for kind in ("key", "value")}
    return describe_decoder(QWEN3, config, tensors).extended(lengths)
