"""Llama 1 and 2, TinyLlama, SmolLM2: names, shapes and metadata; never guesses at a setting it does not know.

Names and keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and llama.cpp's conversion/llama.py;
defaults of config.json: transformers' LlamaConfig.
"""

from collections.abc import Mapping
from functools import partial

from convert.arch.model import Model, Row, count, number
from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import Array, Metadata, TensorInfo

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"


def describe(config: Json, tensors: Mapping[str, TensorInfo]) -> Model:
    """Return what the Llama in `config` and `tensors` becomes. Raises ConvertError for unknown settings.

    The vocabulary's size is the number of rows of the embedding: config.json often lags behind added rows.
    """
    _check_settings(config)
    width, heads = count(config, "hidden_size"), count(config, "num_attention_heads")
    kv_heads = count(config, "num_key_value_heads", heads)
    head_dim = count(config, "head_dim", max(1, width // heads))
    if heads % kv_heads or head_dim % 2:
        raise ConvertError(f"config.json gives {heads} heads, {kv_heads} key-value heads of {head_dim}: impossible.")
    embedding = tensors.get(EMBEDDING)
    vocab_size = embedding.shape[0] if embedding and embedding.shape else count(config, "vocab_size")
    rows = [Row(EMBEDDING, "token_embd.weight", (vocab_size, width))]
    layers = count(config, "num_hidden_layers")
    if layers > len(tensors):
        raise ConvertError(f"config.json calls for {layers} layers; the checkpoint has {len(tensors)} tensors only.")
    for layer in range(layers):
        rows += _layer(config, layer, heads, kv_heads, head_dim)
    rows.append(Row("model.norm.weight", "output_norm.weight", (width,)))
    if HEAD in tensors or not config.get("tie_word_embeddings"):
        rows.append(Row(HEAD, "output.weight", (vocab_size, width)))
    metadata = _metadata(config, heads, kv_heads, head_dim, vocab_size)
    return Model("llama", metadata, tuple(rows), vocab_size, ignored=(".rotary_emb.inv_freq",))


def interleave_halves(heads: int, values: Array) -> Array:
    """Return the rows of a query or key weight in llama.cpp's order.

    Hugging Face rotates row i of a head with row i + d/2, llama.cpp row 2i with row 2i + 1 (`d` rows a head).
    """
    split = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return split.swapaxes(1, 2).reshape(values.shape)


def _check_settings(config: Json) -> None:
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = (rope.get("rope_type") or rope.get("type")) if isinstance(rope, dict) else rope
    if kind not in (None, "default"):
        raise ConvertError(f"This model stretches its context with {kind!r} rope scaling, which is not supported yet.")
    if config.get("hidden_act", "silu") != "silu":
        raise ConvertError(
            f"This model uses {config['hidden_act']!r} as hidden_act; llama.cpp's Llama knows silu only."
        )
    for setting in ("attention_bias", "mlp_bias"):
        if config.get(setting):
            raise ConvertError(f"This model has biases ({setting}), which are not supported yet.")


def _layer(config: Json, layer: int, heads: int, kv_heads: int, head_dim: int) -> list[Row]:
    width, inner = count(config, "hidden_size"), count(config, "intermediate_size")
    query, key = (heads * head_dim, width), (kv_heads * head_dim, width)
    old, new = f"model.layers.{layer}", f"blk.{layer}"
    return [
        Row(f"{old}.input_layernorm.weight", f"{new}.attn_norm.weight", (width,)),
        Row(f"{old}.self_attn.q_proj.weight", f"{new}.attn_q.weight", query, partial(interleave_halves, heads)),
        Row(
            f"{old}.self_attn.k_proj.weight",
            f"{new}.attn_k.weight",
            key,
            partial(interleave_halves, kv_heads),
        ),
        Row(f"{old}.self_attn.v_proj.weight", f"{new}.attn_v.weight", key),
        Row(f"{old}.self_attn.o_proj.weight", f"{new}.attn_output.weight", (width, heads * head_dim)),
        Row(f"{old}.post_attention_layernorm.weight", f"{new}.ffn_norm.weight", (width,)),
        Row(f"{old}.mlp.gate_proj.weight", f"{new}.ffn_gate.weight", (inner, width)),
        Row(f"{old}.mlp.up_proj.weight", f"{new}.ffn_up.weight", (inner, width)),
        Row(f"{old}.mlp.down_proj.weight", f"{new}.ffn_down.weight", (width, inner)),
    ]


def _metadata(config: Json, heads: int, kv_heads: int, head_dim: int, vocab_size: int) -> Metadata:
    # transformers 5 keeps the base of the rotation in rope_parameters, earlier ones beside it.
    rope = {"rope_theta": config.get("rope_theta"), **(config.get("rope_parameters") or {})}
    metadata: Metadata = {
        "llama.block_count": count(config, "num_hidden_layers"),
        "llama.context_length": count(config, "max_position_embeddings", 2048),
        "llama.embedding_length": count(config, "hidden_size"),
        "llama.feed_forward_length": count(config, "intermediate_size"),
        "llama.attention.head_count": heads,
        "llama.attention.head_count_kv": kv_heads,
        "llama.rope.freq_base": number(rope, "rope_theta", 10000.0),
        "llama.attention.layer_norm_rms_epsilon": number(config, "rms_norm_eps", 1e-6),
    }
    if config.get("head_dim") is not None:
        metadata |= {"llama.attention.key_length": head_dim, "llama.attention.value_length": head_dim}
    return metadata | {"llama.vocab_size": vocab_size, "llama.rope.dimension_count": head_dim}
