"""Byte-level BPE vocabularies in a tokenizer.json; never guesses how text is cut before merging.

Format: https://huggingface.co/docs/tokenizers (model, pre_tokenizer, normalizer).
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np

from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import Metadata
from convert.vocab.files import TokenizerFiles
from convert.vocab.pre_tokenizer import known_definition, name_by_hash, table
from convert.vocab.trained import fill, trained_tokens

UNSUPPORTED = ("byte_fallback", "dropout", "continuing_subword_prefix", "end_of_word_suffix")

# llama.cpp puts a bos token before every text of these unless the file says otherwise (llama-vocab.cpp).
STARTS_WITH_BOS = frozenset({"llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "tekken"})
# llama.cpp's converter says so for every Llama with as many tokens; SmolLM2 is one of them.
NO_BOS_ROWS = 49152


def byte_level_metadata(files: TokenizerFiles, vocab_size: int) -> Metadata:
    """Return the tokenizer.ggml.* lists of a byte-level BPE vocabulary, filled up to `vocab_size` tokens.

    Raises ConvertError when the way it cuts text is not known to llama.cpp or it does not fit the embedding.
    """
    model = files.tokenizer["model"]
    for switch in UNSUPPORTED:
        if model.get(switch):
            raise ConvertError(f"tokenizer.json sets {switch}, which is not supported.")
    known = known_definition(files.tokenizer, table().byte_level)
    tokens, kinds = fill(files, trained_tokens(model), vocab_size)
    pre = name_by_hash(files, known, byte_level_tokens(model, known.words))
    metadata: Metadata = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": np.array(kinds, np.int32),
        "tokenizer.ggml.merges": _merges(model),
    }
    if pre in STARTS_WITH_BOS or (vocab_size == NO_BOS_ROWS and files.is_llama):
        metadata["tokenizer.ggml.add_bos_token"] = False  # unless a file says otherwise
    return metadata


def byte_level_tokens(model: Json, words: tuple[str, ...]) -> list[int] | None:
    """Return the tokens of `words`, each spelled in byte letters, or None where a letter is no token."""
    vocab = trained_tokens(model)
    ranks = {tuple(merge.split(" ")): rank for rank, merge in reversed(list(enumerate(_merges(model))))}
    numbers: list[int] = []
    for word in words:
        whole = model.get("ignore_merges") and word in vocab
        for part in [word] if whole else _merged(word, ranks):
            if part not in vocab:
                return None
            numbers.append(vocab[part])
    return numbers


def _merged(word: str, ranks: Mapping[tuple[str, ...], int]) -> Iterator[str]:
    """Yield the parts of `word` once every pair is joined, the earliest learned pair first."""
    parts = list(word)
    while pairs := [(ranks[pair], at) for at, pair in enumerate(pairwise(parts)) if pair in ranks]:
        _, at = min(pairs)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    yield from parts


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
