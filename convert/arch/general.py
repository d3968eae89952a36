"""The metadata under general.*, and pooling: the same for every architecture; never reads a file.

What a name, a model card and config.json tell is worked out by the gguf package, which is llama.cpp's own.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_VERSION, GGUFValueType, GGUFWriter, PoolingType, size_label
from gguf import Metadata as Heuristics

from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import Metadata, Value

# generation_config.json -> gguf's name for a suggested setting, as llama.cpp's converter has them.
COUNTS = {"top_k": "top_k", "penalty_last_n": "penalty_last_n", "mirostat": "mirostat"}
NUMBERS = {
    "top_p": "top_p", "min_p": "min_p", "xtc_probability": "xtc_probability", "xtc_threshold": "xtc_threshold",
    "temperature": "temp", "repetition_penalty": "penalty_repeat", "penalty_repeat": "penalty_repeat",
    "mirostat_tau": "mirostat_tau", "mirostat_eta": "mirostat_eta",
}  # fmt: skip

# What decides how one vector is made of a text's: sentence-transformers' setting -> GGUF.
POOLING: Mapping[str, PoolingType] = {
    "pooling_mode_mean_tokens": PoolingType.MEAN,
    "pooling_mode_cls_token": PoolingType.CLS,
    "pooling_mode_lasttoken": PoolingType.LAST,
}
POOLING_NAMES = {"mean": PoolingType.MEAN, "cls": PoolingType.CLS, "lasttoken": PoolingType.LAST}
POOLED = ("bert", "qwen2", "qwen3")  # architectures whose converter looks for it

MOST_ENTRIES = 1000  # datasets, tags and the like in a model card


def general_metadata(
    architecture: str, name: str, values: int, file_type: int, generation: Json, config: Json, card: Json
) -> Metadata:
    """Return the general.* metadata of a model of `values` weights in a folder called `name`.

    `generation` is generation_config.json, `card` the head of the model card. What is malformed among those two is
    left out: they are suggestions and descriptions, not part of the model.
    """
    known_as = config.get("_name_or_path")
    found = Heuristics.apply_metadata_heuristic(
        Heuristics(),
        {key: kept for key, value in card.items() if (kept := _kept(value)) is not None},
        {"_name_or_path": known_as} if isinstance(known_as, str) else {},
        Path(name),
        values,
    )
    found.name = found.name or name
    found.size_label = found.size_label or size_label(values, 0, 0, 0)
    for key, value in _sampling(generation).items():
        setattr(found, f"sampling_{key}", value)
    writer = GGUFWriter(path=None, arch=architecture)
    found.set_gguf_meta_model(writer)
    metadata: Metadata = {}
    for key, entry in writer.kv_data[0].items():
        if (plain := _value(entry.value, entry.type)) is not None:
            metadata[key] = plain
    return metadata | {
        "general.type": "model",
        "general.quantization_version": GGML_QUANT_VERSION,
        "general.file_type": file_type,
    }


def pooling_metadata(architecture: str, pooling: Json) -> Metadata:
    """Return how one vector is made of a text's, where `pooling` says so. Raises ConvertError for other ways."""
    if not pooling or architecture not in POOLED:
        return {}
    chosen = [kind for key, kind in POOLING.items() if pooling.get(key)]
    chosen += [kind for name, kind in POOLING_NAMES.items() if pooling.get("pooling_mode") == name]
    if not chosen:
        raise ConvertError("This model makes one vector of a text in a way that llama.cpp does not know (pooling).")
    return {f"{architecture}.pooling_type": int(chosen[0])}


def _sampling(generation: Json) -> dict[str, int | float]:
    found: dict[str, int | float] = {}
    for key, to in COUNTS.items():
        setting = generation.get(key)
        if type(setting) is int and 0 <= setting < 2**31:
            found[to] = setting
    for key, to in NUMBERS.items():
        setting = generation.get(key)
        if isinstance(setting, int | float) and not isinstance(setting, bool) and 0 <= setting < 1000:
            found[to] = float(setting)
    return found


def _kept(value: object, depth: int = 2) -> object:
    """Return a part of a model card with texts at its ends, `depth` levels of it; None for what is empty."""
    if isinstance(value, str | int | float | date):
        return str(value)
    if isinstance(value, list) and depth:
        return [kept for item in value[:MOST_ENTRIES] if (kept := _kept(item, depth - 1)) is not None]
    if isinstance(value, dict) and depth:
        kept_items = ((key, _kept(item, depth - 1)) for key, item in value.items() if isinstance(key, str))
        return {key: kept for key, kept in kept_items if kept is not None}
    return None


def _value(value: object, kind: GGUFValueType) -> Value | None:
    """Return one of the writer's values in our own types; None for what a model card gave in a wrong shape."""
    if kind == GGUFValueType.ARRAY:
        texts = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
        return texts or None
    if kind == GGUFValueType.STRING:
        return value if isinstance(value, str) else None
    if kind == GGUFValueType.INT32 and isinstance(value, int):
        return np.int32(value)
    if kind == GGUFValueType.FLOAT32 and isinstance(value, int | float):
        return float(value)
    return value if isinstance(value, int) else None
