"""BERT as a maker of sentence embeddings; never its heads for guessing words or classes.

Source: llama.cpp's conversion/bert.py; defaults of config.json: transformers' BertConfig.
"""

from collections.abc import Mapping

from convert.arch.model import Model, Row, count, number
from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import Metadata, TensorInfo

EMBEDDING = "embeddings.word_embeddings.weight"
# What an embedding is not made of.
UNUSED = ("pooler.dense.weight", "pooler.dense.bias", "embeddings.position_ids")


def describe(config: Json, tensors: Mapping[str, TensorInfo]) -> Model:
    """Return what the BERT in `config` and `tensors` becomes. Raises ConvertError for unknown settings."""
    for key, known in (("hidden_act", "gelu"), ("position_embedding_type", "absolute")):
        if config.get(key, known) != known:
            raise ConvertError(f"This model uses {config[key]!r} as {key}; llama.cpp's BERT knows {known} only.")
    width, heads = count(config, "hidden_size"), count(config, "num_attention_heads")
    if width % heads:
        raise ConvertError(f"config.json gives {heads} heads and a width of {width}: impossible.")
    # A model saved with one of its heads has everything else under "bert.".
    prefix = "bert." if f"bert.{EMBEDDING}" in tensors else ""
    embedding = tensors.get(prefix + EMBEDDING)
    vocab = embedding.shape[0] if embedding and embedding.shape else count(config, "vocab_size")
    layers = count(config, "num_hidden_layers")
    if layers > len(tensors):
        raise ConvertError(f"config.json calls for {layers} layers; the checkpoint has {len(tensors)} tensors only.")
    context, kinds = count(config, "max_position_embeddings", 512), count(config, "type_vocab_size", 2)
    rows = [
        Row(f"{prefix}{EMBEDDING}", "token_embd.weight", (vocab, width)),
        Row(f"{prefix}embeddings.position_embeddings.weight", "position_embd.weight", (context, width)),
        Row(f"{prefix}embeddings.token_type_embeddings.weight", "token_types.weight", (kinds, width)),
        *_both(f"{prefix}embeddings.LayerNorm", "token_embd_norm", width),
    ]
    for layer in range(layers):
        rows += _layer(f"{prefix}encoder.layer.{layer}", f"blk.{layer}", width, count(config, "intermediate_size"))
    metadata: Metadata = {
        "bert.block_count": layers,
        "bert.context_length": context,
        "bert.embedding_length": width,
        "bert.feed_forward_length": count(config, "intermediate_size"),
        "bert.attention.head_count": heads,
        "bert.attention.layer_norm_epsilon": number(config, "layer_norm_eps", 1e-12),
        "bert.attention.causal": False,
        "tokenizer.ggml.token_type_count": kinds,
    }
    heads_of_its_own = tuple(name for name in tensors if name.startswith("cls."))
    return Model("bert", metadata, tuple(rows), vocab, ignored=(*UNUSED, *heads_of_its_own))


def _layer(old: str, new: str, width: int, inner: int) -> list[Row]:
    rows = []
    for source, name, out, into in (
        ("attention.self.query", "attn_q", width, width),
        ("attention.self.key", "attn_k", width, width),
        ("attention.self.value", "attn_v", width, width),
        ("attention.output.dense", "attn_output", width, width),
        ("intermediate.dense", "ffn_up", inner, width),
        ("output.dense", "ffn_down", width, inner),
    ):
        rows.append(Row(f"{old}.{source}.weight", f"{new}.{name}.weight", (out, into)))
        rows.append(Row(f"{old}.{source}.bias", f"{new}.{name}.bias", (out,)))
    rows += _both(f"{old}.attention.output.LayerNorm", f"{new}.attn_output_norm", width)
    rows += _both(f"{old}.output.LayerNorm", f"{new}.layer_output_norm", width)
    return rows


def _both(old: str, new: str, width: int) -> list[Row]:
    return [Row(f"{old}.{kind}", f"{new}.{kind}", (width,)) for kind in ("weight", "bias")]
