"""Writes a random checkpoint in the shape of Llama-2-7B with fewer layers, and an adapter; never in memory whole.

The values do not matter to the time that anything takes, the shapes and the dtype do.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RANK = 16
PIECE = 1 << 22  # values at once


@dataclass(frozen=True)
class Shape:
    """The sizes of a Llama: columns of its matrices, heads, tokens, and how many layers the whole one has."""

    width: int
    inner: int
    heads: int
    vocab: int
    layers: int

    def values(self, layers: int) -> int:
        """Return how many values its matrices have with so many layers."""
        linear = sum(rows * columns for rows, columns in linear_shapes(self, layers).values())
        return 2 * self.vocab * self.width + linear


# tiny: to see within seconds that `bench` itself works.
SHAPES: Mapping[str, Shape] = {"7b": Shape(4096, 11008, 32, 32000, 32), "tiny": Shape(256, 512, 4, 300, 2)}


def write_checkpoint(folder: Path, shape: Shape, layers: int) -> None:
    """Write config.json, tokenizer.model and one bfloat16 file into `folder`."""
    folder.mkdir(parents=True)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": shape.width,
        "intermediate_size": shape.inner, "num_attention_heads": shape.heads, "num_hidden_layers": layers,
        "vocab_size": shape.vocab, "rms_norm_eps": 1e-5,
        "max_position_embeddings": 4096, "hidden_act": "silu", "torch_dtype": "bfloat16", "tie_word_embeddings": False,
        "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.model").write_bytes(_tokenizer(shape.vocab))
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "tokenizer_class": "LlamaTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens | {"legacy": True}))
    outer = shape.vocab, shape.width
    shapes = {"model.embed_tokens.weight": outer, "lm_head.weight": outer} | linear_shapes(shape, layers)
    norms = [f"model.layers.{n}.{kind}_layernorm.weight" for n in range(layers) for kind in ("input", "post_attention")]
    _write(folder / "model.safetensors", "BF16", shapes | dict.fromkeys([*norms, "model.norm.weight"], (shape.width,)))


def write_adapter(folder: Path, shape: Shape, layers: int) -> None:
    """Write an adapter of rank 16 on all seven linear layers, as PEFT saves it."""
    folder.mkdir(parents=True)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (rows, columns) in linear_shapes(shape, layers).items():
        module = f"base_model.model.{name.removesuffix('.weight')}"
        shapes |= {f"{module}.lora_A.weight": (RANK, columns), f"{module}.lora_B.weight": (rows, RANK)}
    _write(folder / "adapter_model.safetensors", "F32", shapes)
    targets = sorted({name.split(".")[-2] for name in linear_shapes(shape, 1)})
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "", "r": RANK, "lora_alpha": RANK,
        "target_modules": targets, "bias": "none", "inference_mode": True,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))


def linear_shapes(shape: Shape, layers: int) -> dict[str, tuple[int, int]]:
    """Return the linear layers' weights (out x in) by name."""
    shapes = {
        **{f"self_attn.{name}_proj": (shape.width, shape.width) for name in "qkvo"},
        "mlp.gate_proj": (shape.inner, shape.width),
        "mlp.up_proj": (shape.inner, shape.width),
        "mlp.down_proj": (shape.width, shape.inner),
    }
    return {f"model.layers.{n}.{name}.weight": sizes for n in range(layers) for name, sizes in shapes.items()}


def _write(path: Path, dtype: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Write normal values with a deviation of 0.02: a random bfloat16 is the upper half of a float32."""
    width, offset, entries = {"BF16": 2, "F32": 4}[dtype], 0, {}
    for name, shape in shapes.items():
        size = int(np.prod(shape)) * width
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    header = json.dumps(entries).encode()
    random = np.random.default_rng(4)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for first in range(0, offset // width, PIECE):
            count = min(PIECE, offset // width - first)
            values = random.standard_normal(count, np.float32) * np.float32(0.02)
            file.write(values.data if width == 4 else (values.view("<u4") >> np.uint32(16)).astype("<u2").data)


def _tokenizer(size: int) -> bytes:
    """Return a SentencePiece model of Llama 2's form, with made-up pieces.

    Wire format: https://protobuf.dev/programming-guides/encoding; fields: sentencepiece_model.proto.
    """
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    pieces += [(f"▁{number}", float(-number), 1) for number in range(size - len(pieces))]
    kind_bpe, byte_fallback = _number(3, 2), _number(35, 1)
    return b"".join(_piece(*piece) for piece in pieces) + _data(2, kind_bpe + byte_fallback) + _data(3, _number(3, 1))


def _piece(text: str, score: float, kind: int) -> bytes:
    return _data(1, _data(1, text.encode()) + bytes([2 << 3 | 5]) + struct.pack("<f", score) + _number(3, kind))


def _data(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    groups: Iterable[int] = range(0, max(value.bit_length(), 1), 7)
    data = bytearray((value >> shift & 127) | 128 for shift in groups)
    data[-1] &= 127
    return bytes(data)
