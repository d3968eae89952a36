"""One tiny checkpoint for each architecture and kind of vocabulary, always the same; never downloaded.

Each is the tiny Llama with what makes its family another one: settings, tensors, tokenizer, the files beside them.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.tiny_model import Shape, encode, write_checkpoint, write_safetensors
from support.tiny_tokenizers import CHATML, WORDS

Array = NDArray[np.float32]
Json = dict[str, Any]

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA_3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST
QWEN_2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST

SPELLED = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}

CARD = """---
license: llama2
language:
- en
- no
tags: [calm, tiny]
pipeline_tag: text-generation
base_model: quiet-org/Calm-Llama-3-8B-Instruct
datasets:
- quiet-org/calm-talks-v2
---
# A card
"""


def edit(path: Path, **fields: object) -> None:
    """Set fields of the JSON object in the file at `path`."""
    value = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.write_text(json.dumps(value | fields, ensure_ascii=False), "utf-8")


def split(regex: str) -> Json:
    """Return a pre-tokenizer that cuts by `regex` and then spells bytes."""
    cut = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    spell = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {"type": "Sequence", "pretokenizers": [cut, spell]}


def _random(name: str, *shape: int, scale: float = 0.3) -> Array:
    seed = int.from_bytes(name.encode()[-8:], "little")
    return np.random.default_rng(seed).standard_normal(shape, np.float32) * np.float32(scale)


def _rewrite(folder: Path, weights: Mapping[str, Array], dtype: str) -> None:
    stored = {name: encode(np.ascontiguousarray(values), dtype) for name, values in weights.items()}
    write_safetensors(folder / "model.safetensors", stored, dtype)


def _llama_2(folder: Path) -> None:
    """SentencePiece, F16, no head of its own, settings in generation_config.json."""
    write_checkpoint(folder, Shape(tokenizer="sentencepiece", tied=True, filler=3), "F16")
    sampling = {"temperature": 0.6, "top_p": 0.9, "top_k": 40, "repetition_penalty": 1.1, "do_sample": True}
    edit(folder / "generation_config.json", **sampling)
    edit(folder / "config.json", _name_or_path="quiet-org/Calm-Llama-2-7b-chat-hf", pad_token_id=0)
    edit(folder / "added_tokens.json", **{"<calm>": 428})
    decoder = {"0": {"content": "<unk>", "special": True}, "429": {"content": "<|turn|>", "special": False}}
    edit(folder / "tokenizer_config.json", added_tokens_decoder=decoder, add_prefix_space=True)


def _smollm(folder: Path) -> None:
    """Byte-level BPE as SmolLM2 has it."""
    write_checkpoint(folder, Shape(tied=True))


def _llama_3(folder: Path) -> None:
    """Llama 3.1: its own cutting, stretched rotation, biases, a model card, a bos token by template."""
    shape = Shape(width=64, heads=4, kv_heads=2)
    weights = write_checkpoint(folder, shape, "BF16")
    for layer in range(shape.layers):
        for module, length in (("q", 64), ("k", 32), ("v", 32), ("o", 64)):
            name = f"model.layers.{layer}.self_attn.{module}_proj.bias"
            weights[name] = _random(name, length)
        for module, length in (("gate", 96), ("up", 96), ("down", 64)):
            name = f"model.layers.{layer}.mlp.{module}_proj.bias"
            weights[name] = _random(name, length)
    _rewrite(folder, weights, "BF16")
    scaling = {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }  # fmt: skip
    edit(folder / "config.json", rope_scaling=scaling, rope_theta=500000.0, attention_bias=True, mlp_bias=True)
    edit(folder / "config.json", eos_token_id=[0, 2], bos_token_id=1)
    bos = {"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}
    template = {
        "type": "TemplateProcessing", "single": [bos, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [bos, {"Sequence": {"id": "A", "type_id": 0}}, bos, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}},
    }  # fmt: skip
    steps = {"type": "Sequence", "processors": [SPELLED, template]}
    _change_model(folder, ignore_merges=True)
    edit(folder / "tokenizer.json", pre_tokenizer=split(LLAMA_3), post_processor=steps)
    edit(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    (folder / "README.md").write_text(CARD, "utf-8")


def _mistral(folder: Path) -> None:
    """SentencePiece with three special tokens too many, named templates, and linear stretching."""
    write_checkpoint(folder, Shape(tokenizer="sentencepiece", kv_heads=2, filler=1))
    edit(
        folder / "config.json", architectures=["MistralForCausalLM"], model_type="mistral", sliding_window=1024,
        rope_scaling={"type": "linear", "factor": 4.0}, rope_theta=1000000.0,
    )  # fmt: skip
    named = [{"name": "default", "template": CHATML}, {"name": "tool-use", "template": "tools " + CHATML}]
    edit(folder / "tokenizer_config.json", chat_template=named, add_eos_token=True)


def _qwen_2(folder: Path) -> None:
    """Biases on queries, keys and values; NFC; YaRN; a chat template in a file of its own."""
    shape = Shape(tied=True)
    weights = write_checkpoint(folder, shape)
    for layer in range(shape.layers):
        for module, length in (("q", 64), ("k", 32), ("v", 32)):
            name = f"model.layers.{layer}.self_attn.{module}_proj.bias"
            weights[name] = _random(name, length)
    _rewrite(folder, weights, "F32")
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512, "beta_fast": 30.0}
    edit(
        folder / "config.json", architectures=["Qwen2ForCausalLM"], model_type="qwen2", rope_scaling=yarn,
        rope_theta=1000000.0, use_sliding_window=False, sliding_window=1024,
    )  # fmt: skip
    edit(folder / "tokenizer.json", pre_tokenizer=split(QWEN_2), normalizer={"type": "NFC"})
    edit(folder / "tokenizer.json", post_processor=SPELLED)
    edit(folder / "tokenizer_config.json", chat_template=None, tokenizer_class="Qwen2Tokenizer", add_bos_token=False)
    _drop(folder / "tokenizer_config.json", "chat_template", "bos_token")
    (folder / "chat_template.jinja").write_text(CHATML, "utf-8")


def _qwen_3(folder: Path) -> None:
    """Heads of their own length, each normalized."""
    shape = Shape(width=64, heads=4, kv_heads=2)
    weights = write_checkpoint(folder, shape)
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}.self_attn"
        for name, rows, columns in (("q", 128, 64), ("k", 64, 64), ("v", 64, 64), ("o", 64, 128)):
            weights[f"{prefix}.{name}_proj.weight"] = _random(f"{layer}{name}", rows, columns, scale=0.05)
        for name in ("q_norm", "k_norm"):
            weights[f"{prefix}.{name}.weight"] = 1 + _random(f"{layer}{name}", 32, scale=0.1)
    _rewrite(folder, weights, "F32")
    edit(folder / "config.json", architectures=["Qwen3ForCausalLM"], model_type="qwen3", head_dim=32)
    edit(folder / "tokenizer.json", pre_tokenizer=split(QWEN_2), normalizer={"type": "NFC"})
    edit(folder / "tokenizer.json", post_processor=SPELLED)
    edit(folder / "tokenizer_config.json", tokenizer_class="Qwen2Tokenizer", add_bos_token=False)


def _bert(folder: Path) -> None:
    """A sentence embedder: WordPiece, mean pooling, a pooler that goes unused."""
    folder.mkdir(parents=True)
    pieces = _word_pieces()
    width, inner, layers = 32, 64, 2
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "hidden_size": width,
        "intermediate_size": inner, "num_attention_heads": 4, "num_hidden_layers": layers, "layer_norm_eps": 1e-12,
        "max_position_embeddings": 64, "type_vocab_size": 2, "vocab_size": len(pieces) + 2, "pad_token_id": 0,
        "position_embedding_type": "absolute",
    }  # fmt: skip
    edit(folder / "config.json", **config)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(pieces) + 2, width),
        "embeddings.position_embeddings.weight": (64, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        "pooler.dense.weight": (width, width),
        "pooler.dense.bias": (width,),
    }
    for layer in range(layers):
        for module, rows, columns in (
            ("attention.self.query", width, width), ("attention.self.key", width, width),
            ("attention.self.value", width, width), ("attention.output.dense", width, width),
            ("intermediate.dense", inner, width), ("output.dense", width, inner),
        ):  # fmt: skip
            shapes[f"encoder.layer.{layer}.{module}.weight"] = (rows, columns)
            shapes[f"encoder.layer.{layer}.{module}.bias"] = (rows,)
    weights = {name: _random(name, *shape) for name, shape in shapes.items()}
    norms = ["embeddings", *(f"encoder.layer.{n}.{m}output" for n in range(layers) for m in ("attention.", ""))]
    for norm in norms:
        weights[f"{norm}.LayerNorm.weight"] = 1 + _random(norm + "w", width, scale=0.1)
        weights[f"{norm}.LayerNorm.bias"] = _random(norm + "b", width, scale=0.1)
    _rewrite(folder, weights, "F32")
    _write_word_piece(folder, pieces)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    edit(folder / "1_Pooling" / "config.json", pooling_mode_mean_tokens=True, pooling_mode_cls_token=False)


def _word_pieces() -> list[str]:
    """Return special tokens, letters as words and inside them, and whole words."""
    letters = sorted({letter for word in WORDS for letter in word} | set("0123456789'!?=é我"))
    specials = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = sorted({word for word in WORDS if len(word) > 1})
    return [*specials, *letters, *(f"##{letter}" for letter in letters), *words, "##ing", "##er"]


def _write_word_piece(folder: Path, pieces: list[str]) -> None:
    numbers = {piece: number for number, piece in enumerate(pieces)}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    specials = [piece for piece in pieces if piece.startswith("[") and piece != "[unused0]"]
    cls, sep = ({"SpecialToken": {"id": name, "type_id": 0}} for name in ("[CLS]", "[SEP]"))
    a, b = ({"Sequence": {"id": name, "type_id": place}} for place, name in enumerate("AB"))
    tokenizer = {
        "version": "1.0",
        "added_tokens": [{"id": numbers[text], "content": text, **flags} for text in specials],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing", "single": [cls, a, sep], "pair": [cls, a, sep, b, sep],
            "special_tokens": {n: {"id": n, "ids": [numbers[n]], "tokens": [n]} for n in ("[CLS]", "[SEP]")},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": numbers,
        },
    }  # fmt: skip
    edit(folder / "tokenizer.json", **tokenizer)
    named = {f"{kind}_token": f"[{kind.upper()}]" for kind in ("unk", "sep", "pad", "cls", "mask")}
    edit(folder / "tokenizer_config.json", do_lower_case=True, tokenizer_class="BertTokenizer", **named)


def _change_model(folder: Path, **fields: object) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    edit(folder / "tokenizer.json", model=tokenizer["model"] | fields)


def _drop(path: Path, *keys: str) -> None:
    value = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({key: item for key, item in value.items() if key not in keys}), "utf-8")


# The folder's name, which metadata is made of, and who writes it.
FAMILIES: Mapping[str, Callable[[Path], None]] = {
    "Calm-Llama-2": _llama_2,
    "SmolCalm2-135M-Instruct": _smollm,
    "Meta-Llama-3.1-8B-Instruct-calm": _llama_3,
    "calm-mistral-v0.3": _mistral,
    "Qwen2.5-Calm-0.5B": _qwen_2,
    "qwen3 calm": _qwen_3,
    "all-calm-L2-v1": _bert,
}


def write_family(parent: Path, name: str) -> Path:
    """Write the checkpoint called `name` into a folder of that name and return the folder."""
    FAMILIES[name](parent / name)
    return parent / name
