"""What Llama and its relatives share: sizes, tensors and metadata; never the settings of one family alone.

Names and keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and llama.cpp's conversion/base.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from convert.arch.model import Model, Row, count, number
from convert.arch.rotation import frequency_factors, interleave_halves, rotation_metadata
from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import Metadata, Shape, TensorInfo

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"

QUERY, KEY, VALUE, OUTPUT = (f"self_attn.{letter}_proj" for letter in "qkvo")
GATE, UP, DOWN = (f"mlp.{name}_proj" for name in ("gate", "up", "down"))
NAMES = {
    QUERY: "attn_q", KEY: "attn_k", VALUE: "attn_v", OUTPUT: "attn_output",
    GATE: "ffn_gate", UP: "ffn_up", DOWN: "ffn_down",
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    """How a family differs from its relatives: its name in GGUF, transformers' defaults, what its layers have."""

    name: str
    context: int
    kv_heads: int | None = None  # None: as many as there are heads
    head_dim: int | None = None  # None: the width divided by the heads
    biases: tuple[str, ...] = ()  # linear layers that have one
    head_norms: bool = False  # whether queries and keys are normalized head by head
    interleaved: bool = False  # whether llama.cpp rotates neighbouring rows


@dataclass(frozen=True)
class Sizes:
    """The lengths that all shapes are made of."""

    layers: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int


def describe_decoder(family: Family, config: Json, tensors: Mapping[str, TensorInfo]) -> Model:
    """Return what a checkpoint of `family` becomes. Raises ConvertError for settings that llama.cpp does not know.

    The vocabulary's size is the number of rows of the embedding: config.json often lags behind added rows.
    """
    if config.get("hidden_act", "silu") != "silu":
        raise ConvertError(f"This model uses {config['hidden_act']!r} as hidden_act; llama.cpp knows silu only here.")
    sizes = read_sizes(family, config, tensors)
    rows = [Row(EMBEDDING, "token_embd.weight", (sizes.vocab, sizes.width))]
    for layer in range(sizes.layers):
        rows += _layer(family, sizes, layer)
    rows.append(Row("model.norm.weight", "output_norm.weight", (sizes.width,)))
    if HEAD in tensors or not config.get("tie_word_embeddings"):
        rows.append(Row(HEAD, "output.weight", (sizes.vocab, sizes.width)))
    if (factors := frequency_factors(config, sizes.head_dim)) is not None:
        if not family.interleaved:
            raise ConvertError("This model stretches its context as Llama 3.1 does, which llama.cpp cannot do here.")
        rows.append(Row("", "rope_freqs.weight", (sizes.head_dim // 2,), generate=factors))
    metadata = _metadata(family, config, sizes)
    return Model(family.name, metadata, tuple(rows), sizes.vocab, ignored=(".rotary_emb.inv_freq",))


def read_sizes(family: Family, config: Json, tensors: Mapping[str, TensorInfo]) -> Sizes:
    """Return the sizes that `config` and the embedding give. Raises ConvertError when they are impossible."""
    width, heads = count(config, "hidden_size"), count(config, "num_attention_heads")
    kv_heads = count(config, "num_key_value_heads", family.kv_heads or heads)
    head_dim = count(config, "head_dim", family.head_dim or max(1, width // heads))
    if heads % kv_heads or head_dim % 2:
        raise ConvertError(f"config.json gives {heads} heads, {kv_heads} key-value heads of {head_dim}: impossible.")
    embedding = tensors.get(EMBEDDING)
    vocab = embedding.shape[0] if embedding and embedding.shape else count(config, "vocab_size")
    layers = count(config, "num_hidden_layers")
    if layers > len(tensors):
        raise ConvertError(f"config.json calls for {layers} layers; the checkpoint has {len(tensors)} tensors only.")
    return Sizes(layers, width, count(config, "intermediate_size"), heads, kv_heads, head_dim, vocab)


def _layer(family: Family, sizes: Sizes, layer: int) -> list[Row]:
    query, key = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
    shapes: Mapping[str, Shape] = {
        QUERY: (query, sizes.width), KEY: (key, sizes.width), VALUE: (key, sizes.width), OUTPUT: (sizes.width, query),
        GATE: (sizes.inner, sizes.width), UP: (sizes.inner, sizes.width), DOWN: (sizes.width, sizes.inner),
    }  # fmt: skip
    turned = {QUERY: sizes.heads, KEY: sizes.kv_heads} if family.interleaved else {}
    old, new = f"model.layers.{layer}", f"blk.{layer}"

    def norm(source: str, name: str, length: int) -> Row:
        return Row(f"{old}.{source}.weight", f"{new}.{name}.weight", (length,))

    def linear(module: str, kind: str, shape: Shape) -> Row:
        reshape = partial(interleave_halves, turned[module]) if module in turned else None
        return Row(f"{old}.{module}.{kind}", f"{new}.{NAMES[module]}.{kind}", shape, reshape)

    rows = [
        norm("input_layernorm", "attn_norm", sizes.width),
        *(linear(module, "weight", shape) for module, shape in shapes.items()),
        *(linear(module, "bias", shapes[module][:1]) for module in family.biases),
        norm("post_attention_layernorm", "ffn_norm", sizes.width),
    ]
    if family.head_norms:
        rows.append(norm("self_attn.q_norm", "attn_q_norm", sizes.head_dim))
        rows.append(norm("self_attn.k_norm", "attn_k_norm", sizes.head_dim))
    return rows


def _metadata(family: Family, config: Json, sizes: Sizes) -> Metadata:
    name = family.name
    return {
        f"{name}.block_count": sizes.layers,
        f"{name}.context_length": count(config, "max_position_embeddings", family.context),
        f"{name}.embedding_length": sizes.width,
        f"{name}.feed_forward_length": sizes.inner,
        f"{name}.attention.head_count": sizes.heads,
        f"{name}.attention.head_count_kv": sizes.kv_heads,
        f"{name}.attention.layer_norm_rms_epsilon": number(config, "rms_norm_eps", 1e-6),
        **rotation_metadata(name, config),
    }
