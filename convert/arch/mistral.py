"""Mistral and its finetunes, which llama.cpp reads as Llamas; never its consolidated format (params.json).

Source: llama.cpp's conversion/llama.py; defaults of config.json: transformers' MistralConfig.
"""

from collections.abc import Mapping
from dataclasses import replace

from convert.arch.decoder import Family
from convert.arch.llama import llama_like
from convert.arch.model import Model
from convert.json_file import Json
from convert.tensors import TensorInfo

MISTRAL = Family("llama", context=131072, kv_heads=8, interleaved=True)


def describe(config: Json, tensors: Mapping[str, TensorInfo]) -> Model:
    """Return what the Mistral in `config` and `tensors` becomes. Raises ConvertError for unknown settings."""
    model = llama_like(MISTRAL, config, tensors, states_head_lengths=config.get("head_dim") is not None)
    window = config.get("sliding_window", 4096)
    context = model.metadata["llama.context_length"]
    if not isinstance(window, int) or not isinstance(context, int) or window >= context:
        return model
    notice = f"The model looks back {window} tokens only; llama.cpp has it look back all the way in longer texts."
    return replace(model, notices=(notice,))
