"""WordPiece vocabularies (BERT) in a tokenizer.json; never a merge or a score.

Longest match first (Wu et al. 2016, arXiv:1609.08144); how llama.cpp spells them: conversion/bert.py (set_vocab).
"""

from collections.abc import Mapping

import numpy as np

from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import Metadata
from convert.vocab.files import TokenizerFiles
from convert.vocab.pre_tokenizer import known_definition, name_by_hash, table
from convert.vocab.trained import CONTROL, SPACE, fill, trained_tokens

PREFIX = "##"  # marks a piece inside a word in tokenizer.json; llama.cpp marks the start of a word instead


def word_piece_metadata(files: TokenizerFiles, vocab_size: int) -> Metadata:
    """Return the tokenizer.ggml.* lists of a WordPiece vocabulary, filled up to `vocab_size` tokens.

    Raises ConvertError when it cuts text in another way than llama.cpp or does not fit the embedding.
    """
    model = files.tokenizer["model"]
    if model.get("continuing_subword_prefix") != PREFIX:
        raise ConvertError("tokenizer.json marks pieces inside a word in another way than with ##, unlike llama.cpp.")
    known = known_definition(files.tokenizer, table().word_piece)
    trained = trained_tokens(model)
    tokens, kinds = fill(files, trained, vocab_size)
    metadata: Metadata = {
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": name_by_hash(files, known, word_piece_tokens(model, trained, known.words)),
        "tokenizer.ggml.tokens": [
            text if kind == CONTROL else _spelled(text) for text, kind in zip(tokens, kinds, strict=True)
        ],
        "tokenizer.ggml.token_type": np.array(kinds, np.int32),
        "tokenizer.ggml.normalizer.lowercase": files.tokenizer["normalizer"].get("lowercase", True),
    }
    strips = files.tokenizer["normalizer"].get("strip_accents")
    return metadata if strips is None else metadata | {"tokenizer.ggml.normalizer.strip_accents": strips}


def word_piece_tokens(model: Json, trained: Mapping[str, int], words: tuple[str, ...]) -> list[int] | None:
    """Return the tokens of `words`, or None where a word is no token and there is no unknown token either."""
    numbers: list[int] = []
    for word in words:
        pieces = _pieces(word, trained) if len(word) <= model.get("max_input_chars_per_word", 100) else None
        if pieces is None:
            unknown = trained.get(str(model.get("unk_token")))
            if unknown is None:
                return None
            pieces = [unknown]
        numbers += pieces
    return numbers


def _pieces(word: str, trained: Mapping[str, int]) -> list[int] | None:
    numbers = []
    start = 0
    while start < len(word):
        prefix = PREFIX if start else ""
        end = next((end for end in range(len(word), start, -1) if prefix + word[start:end] in trained), None)
        if end is None:
            return None
        numbers.append(trained[prefix + word[start:end]])
        start = end
    return numbers


def _spelled(text: str) -> str:
    return text.removeprefix(PREFIX) if text.startswith(PREFIX) else SPACE + text
