"""Byte-level BPE vocabularies in a tokenizer.json; never guesses how text is cut before merging.

Format: https://huggingface.co/docs/tokenizers (model, pre_tokenizer, normalizer).
"""

from collections.abc import Mapping
from itertools import chain

import numpy as np

from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import Metadata
from convert.vocab.files import TokenizerFiles, listed_tokens, looks_special

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5

BYTE_LEVEL = ("ByteLevel", "add_prefix_space=False", "use_regex=True")
DIGITS = ("Digits", "individual_digits=True")

# How a text is cut into words, as tokenizer.json defines it -> llama.cpp's name for it (llama-vocab.cpp).
PRE_TOKENIZERS: Mapping[tuple[tuple[str, ...], ...], str] = {
    (BYTE_LEVEL,): "gpt-2",
    (DIGITS, BYTE_LEVEL): "smollm",
}


def byte_level_metadata(files: TokenizerFiles, vocab_size: int) -> Metadata:
    """Return the tokenizer.ggml.* lists of a byte-level BPE vocabulary, filled up to `vocab_size` tokens.

    Raises ConvertError when the definition is not one of PRE_TOKENIZERS or does not fit the embedding.
    """
    model = files.tokenizer["model"]
    pre = _pre_tokenizer(files.tokenizer)
    if files.tokenizer.get("normalizer"):
        raise ConvertError(f"tokenizer.json changes the text first ({_type(files.tokenizer['normalizer'])}): unknown.")
    for switch in (
        "byte_fallback",
        "ignore_merges",
        "dropout",
        "continuing_subword_prefix",
        "end_of_word_suffix",
    ):
        if model.get(switch):
            raise ConvertError(f"tokenizer.json sets {switch}, which is not supported.")
    tokens = [f"[PAD{number}]" for number in range(vocab_size)]
    kinds = [UNUSED] * vocab_size
    added = listed_tokens(files)
    trained = _trained_tokens(model)
    for number, text, kind in chain(
        ((number, text, NORMAL) for text, number in trained.items()),
        ((a.number, a.text, CONTROL if a.special or looks_special(a.text) else USER_DEFINED) for a in added),
    ):
        if number >= vocab_size:
            raise ConvertError(f"The token {text!r} is number {number}, but the model has rows for {vocab_size} only.")
        tokens[number], kinds[number] = text, kind
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": np.array(kinds, np.int32),
        "tokenizer.ggml.merges": _merges(model),
    }


def _pre_tokenizer(tokenizer: Json) -> str:
    """Return llama.cpp's name for the definition in `tokenizer`. Raises ConvertError saying what it found."""
    found = tokenizer.get("pre_tokenizer")
    parts = found.get("pretokenizers") if isinstance(found, dict) and _type(found) == "Sequence" else [found]
    definition = tuple(_definition(part) for part in parts) if isinstance(parts, list) else ()
    if definition not in PRE_TOKENIZERS:
        words = " then ".join(" ".join(part) for part in definition) or "nothing"
        raise ConvertError(f"The way tokenizer.json cuts text into words is not known to llama.cpp; found: {words}.")
    return PRE_TOKENIZERS[definition]


def _definition(part: object) -> tuple[str, ...]:
    """Return one step of a pre-tokenizer with the settings that change what it does."""
    kind = _type(part)
    if not isinstance(part, dict):
        return (kind,)
    if kind == "ByteLevel":
        # trim_offsets concerns positions in the text only.
        return (
            kind,
            f"add_prefix_space={part.get('add_prefix_space')}",
            f"use_regex={part.get('use_regex', True)}",
        )
    if kind == "Digits":
        return (kind, f"individual_digits={part.get('individual_digits')}")
    return (kind,)


def _type(part: object) -> str:
    return str(part.get("type")) if isinstance(part, dict) else "nothing"


def _trained_tokens(model: Json) -> dict[str, int]:
    vocab = model.get("vocab")
    if not isinstance(vocab, dict) or not all(type(number) is int and number >= 0 for number in vocab.values()):
        raise ConvertError("tokenizer.json has no usable vocabulary.")
    return vocab


def _merges(model: Json) -> list[str]:
    """Return the merges as "left right". They are pairs since transformers 4.45 and such texts before."""
    merges = model.get("merges")
    result = []
    for merge in merges if isinstance(merges, list) else []:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        # A space inside a token is spelt Ġ in byte-level vocabularies, so a plain one is a mistake.
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(p, str) and " " not in p for p in pair):
            raise ConvertError(f"tokenizer.json has a merge that is no pair: {merge!r}.")
        result.append(" ".join(pair))
    if not result:
        raise ConvertError("tokenizer.json has no merges.")
    return result
