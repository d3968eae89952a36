"""Llama 2's kind of vocabulary from a SentencePiece tokenizer.model, with the scores it holds; never other ones.

Rules for added tokens and filler: llama.cpp, conversion/base.py (_create_vocab_sentencepiece).
"""

import numpy as np
import sentencepiece

from convert.errors import ConvertError
from convert.tensors import Metadata
from convert.vocab.files import AddedToken, TokenizerFiles, decoder_tokens, listed_tokens, looks_special
from convert.vocab.trained import BYTE, CONTROL, NORMAL, SPACE, UNKNOWN, UNUSED, USER_DEFINED

FILLER_SCORE, ADDED_SCORE = -10000.0, -1000.0


def sentencepiece_metadata(files: TokenizerFiles, vocab_size: int) -> Metadata:
    """Return the tokenizer.ggml.* lists of a SentencePiece vocabulary, filled up to `vocab_size` tokens.

    Raises ConvertError when tokenizer.model is not a SentencePiece model or does not fit the embedding.
    """
    model = _load(files)
    numbers = range(len(model))
    pieces = [model.IdToPiece(number) for number in numbers]
    scores = [model.GetScore(number) for number in numbers]
    kinds = [_kind(model, number) for number in numbers]
    return scored_metadata(files, vocab_size, pieces, scores, kinds)


def scored_metadata(
    files: TokenizerFiles, vocab_size: int, pieces: list[str], scores: list[float], kinds: list[int]
) -> Metadata:
    """Return the tokenizer.ggml.* lists of trained `pieces`, with added tokens and filler up to `vocab_size`.

    Raises ConvertError when there are more tokens than rows in the embedding.
    """
    trained = len(pieces)
    if trained > vocab_size:
        raise ConvertError(f"The tokenizer has {trained} tokens, but the model has rows for {vocab_size} only.")
    filler = range(trained, vocab_size)
    tokens = [*pieces, *(f"[PAD{number}]" for number in filler)]
    scores = scores + [FILLER_SCORE] * len(filler)
    kinds = kinds + [UNUSED] * len(filler)
    for token in _added(files, trained):
        if token.number >= vocab_size:
            raise ConvertError(f"The added token {token.text} is number {token.number}, beyond {vocab_size} rows.")
        tokens[token.number] = token.text if token.special else token.text.replace(SPACE, " ")
        scores[token.number] = ADDED_SCORE
        kinds[token.number] = CONTROL if token.special else USER_DEFINED
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": np.array(scores, np.float32),
        "tokenizer.ggml.token_type": np.array(kinds, np.int32),
    }


def _load(files: TokenizerFiles) -> sentencepiece.SentencePieceProcessor:
    try:
        model = sentencepiece.SentencePieceProcessor()
        model.LoadFromSerializedProto(files.model_path.read_bytes())
    except (OSError, RuntimeError) as error:
        raise ConvertError(f"{files.model_path} is not a SentencePiece model that can be read.") from error
    return model


def _kind(model: sentencepiece.SentencePieceProcessor, number: int) -> int:
    if model.IsUnknown(number):
        return UNKNOWN
    if model.IsControl(number):
        return CONTROL
    if model.IsUnused(number):
        return UNUSED
    return BYTE if model.IsByte(number) else NORMAL


def _added(files: TokenizerFiles, trained: int) -> list[AddedToken]:
    """Return the added tokens in the order in which they overrule each other.

    transformers 5 lists them in tokenizer.json alone, which repeats trained ones; those keep their scores.
    """
    listed = [token for token in listed_tokens(files) if token.number >= trained]
    plain = []
    for text, number in files.added_tokens.items():
        if type(number) is not int or number < 0:
            raise ConvertError(f"{files.folder / 'added_tokens.json'} gives no usable number for {text}.")
        plain.append(AddedToken(number, text, special=False))
    marked = [*listed, *decoder_tokens(files)]
    return plain + [
        AddedToken(token.number, token.text, token.special or looks_special(token.text)) for token in marked
    ]
