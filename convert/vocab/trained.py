"""The vocabulary of a tokenizer.json as one list with a kind for each token; never a score.

Rules for added tokens and filler: llama.cpp, conversion/base.py (get_vocab_base).
"""

from collections.abc import Mapping

from convert.errors import ConvertError
from convert.json_file import Json
from convert.vocab.files import TokenizerFiles, listed_tokens, looks_special

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
SPACE = "▁"


def trained_tokens(model: Json) -> Mapping[str, int]:
    """Return the vocabulary of the `model` part of tokenizer.json. Raises ConvertError when it is none."""
    vocab = model.get("vocab")
    if not isinstance(vocab, dict) or not all(type(number) is int and number >= 0 for number in vocab.values()):
        raise ConvertError("tokenizer.json has no usable vocabulary.")
    return vocab


def fill(files: TokenizerFiles, trained: Mapping[str, int], vocab_size: int) -> tuple[list[str], list[int]]:
    """Return `vocab_size` tokens and their kinds: trained ones, added ones, filler where there is no token.

    Raises ConvertError when there are more tokens than rows in the embedding.
    """
    tokens = [f"[PAD{number}]" for number in range(vocab_size)]
    kinds = [UNUSED] * vocab_size
    added = [
        (a.number, a.text, CONTROL) if a.special or looks_special(a.text)
        else (a.number, a.text.replace(SPACE, " "), USER_DEFINED)
        for a in listed_tokens(files)
    ]  # fmt: skip
    for number, text, kind in [*((number, text, NORMAL) for text, number in trained.items()), *added]:
        if number >= vocab_size:
            raise ConvertError(f"The token {text!r} is number {number}, but the model has rows for {vocab_size} only.")
        tokens[number], kinds[number] = text, kind
    return tokens, kinds
