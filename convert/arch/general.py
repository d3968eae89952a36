"""The metadata under general.*, the same for every architecture; never reads a file."""

import numpy as np
from gguf import GGML_QUANT_VERSION, size_label

from convert.json_file import Json
from convert.tensors import Metadata

# generation_config.json -> GGUF, as llama.cpp's converter names them.
SAMPLING_COUNTS = {"top_k": "top_k"}
SAMPLING_NUMBERS = {"top_p": "top_p", "min_p": "min_p", "temperature": "temp"}


def general_metadata(architecture: str, name: str, values: int, file_type: int, generation: Json) -> Metadata:
    """Return the general.* metadata of a model of `values` weights; `generation` is generation_config.json.

    Sampling settings that are not numbers are left out: they are suggestions, not part of the model.
    """
    metadata: Metadata = {"general.architecture": architecture, "general.type": "model"}
    for key, to in SAMPLING_COUNTS.items():
        setting = generation.get(key)
        if isinstance(setting, int) and 0 <= setting < 2**31:
            metadata[f"general.sampling.{to}"] = np.int32(setting)
    for key, to in SAMPLING_NUMBERS.items():
        setting = generation.get(key)
        if isinstance(setting, int | float) and 0 <= setting < 1000:
            metadata[f"general.sampling.{to}"] = float(setting)
    return metadata | {
        "general.name": name,
        "general.size_label": size_label(values, 0, 0, 0),
        "general.quantization_version": GGML_QUANT_VERSION,
        "general.file_type": file_type,
    }
