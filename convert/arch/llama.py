"""Llama 1, 2 and 3, TinyLlama, SmolLM2; never guesses at a setting it does not know.

Source: llama.cpp's conversion/llama.py; defaults of config.json: transformers' LlamaConfig.
"""

from collections.abc import Mapping
from dataclasses import replace

from convert.arch.decoder import DOWN, GATE, KEY, OUTPUT, QUERY, UP, VALUE, Family, describe_decoder, read_sizes
from convert.arch.model import Model
from convert.json_file import Json
from convert.tensors import TensorInfo

LLAMA = Family("llama", context=2048, interleaved=True)


def describe(config: Json, tensors: Mapping[str, TensorInfo]) -> Model:
    """Return what the Llama in `config` and `tensors` becomes. Raises ConvertError for unknown settings."""
    attention = (QUERY, KEY, VALUE, OUTPUT) if config.get("attention_bias") else ()
    inner = (GATE, UP, DOWN) if config.get("mlp_bias") else ()
    family = replace(LLAMA, biases=(*attention, *inner))
    return llama_like(family, config, tensors, states_head_lengths=True)


def llama_like(family: Family, config: Json, tensors: Mapping[str, TensorInfo], *, states_head_lengths: bool) -> Model:
    """Return what a checkpoint becomes that llama.cpp reads as a Llama."""
    sizes = read_sizes(family, config, tensors)
    model = describe_decoder(family, config, tensors)
    model = model.extended({"llama.vocab_size": sizes.vocab, "llama.rope.dimension_count": sizes.head_dim})
    if not states_head_lengths:
        return model
    lengths = {f"llama.attention.{kind}_length": sizes.head_dim for kind in ("key", "value")}
    return model.extended(lengths)
