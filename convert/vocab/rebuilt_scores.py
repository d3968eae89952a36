"""A SentencePiece vocabulary of which only a tokenizer.json is left, as transformers 5 saves it.

A tokenizer.json holds no scores, but llama.cpp merges by score. In Llama 2's kind of vocabulary they follow from
the order of the pieces: a piece after the bytes scores minus its distance from the first of them, and a piece of
nothing but spaces is never made by merging (-1e9). The merges in tokenizer.json lie in the order of the true scores,
so the rule is checked against every one of them. Never guesses: where the check fails, tokenizer.model is asked for.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import Metadata
from convert.vocab.files import TokenizerFiles, listed_tokens
from convert.vocab.sentencepiece_model import scored_metadata
from convert.vocab.trained import BYTE, CONTROL, NORMAL, SPACE, UNKNOWN, trained_tokens

SPACES_SCORE = -1e9
BYTES = frozenset(f"<0x{byte:02X}>" for byte in range(256))


def rebuilt_metadata(files: TokenizerFiles, vocab_size: int) -> Metadata:
    """Return the tokenizer.ggml.* lists of a SentencePiece vocabulary out of its tokenizer.json.

    Raises ConvertError when the scores cannot be rebuilt for certain, or the vocabulary does not fit the embedding.
    """
    model = files.tokenizer["model"]
    numbers = trained_tokens(model)
    pieces = sorted(numbers, key=numbers.__getitem__)
    if [numbers[piece] for piece in pieces] != list(range(len(pieces))) or not numbers.keys() >= BYTES:
        raise _refusal(files, "its vocabulary has gaps or lacks the 256 bytes")
    first = max(numbers[byte] for byte in BYTES) + 1
    scores = [rebuilt_score(number - first, piece) for number, piece in enumerate(pieces)]
    if not _agree(_merges(model), scores, numbers, first):
        raise _refusal(files, "its merges are in another order than the scores of Llama 2's rule")
    control = {token.text for token in listed_tokens(files) if token.special}
    kinds = [_kind(piece, str(model.get("unk_token")), control) for piece in pieces]
    metadata = scored_metadata(files, vocab_size, pieces, scores, kinds)
    return metadata if _adds_space(files) else metadata | {"tokenizer.ggml.add_space_prefix": False}


def rebuilt_score(place: int, piece: str) -> float:
    """Return the score of a piece, `place` pieces after the first one that was learned; earlier ones score 0."""
    if place < 0:
        return 0.0
    return float(-place) if piece.strip(SPACE) else SPACES_SCORE


def _agree(merges: Sequence[tuple[str, str]], scores: Sequence[float], numbers: Mapping[str, int], first: int) -> bool:
    """Whether `merges` hold every pair that makes a piece, the one with the better score first."""
    made = [numbers.get(left + right) for left, right in merges]
    order = [scores[number] for number in made if number is not None]
    if len(order) != len(merges) or any(before < after for before, after in pairwise(order)):
        return False
    listed = set(merges)
    return all(
        (piece[:at], piece[at:]) in listed
        for piece in numbers
        for at in range(1, len(piece))
        if numbers[piece] >= first and piece[:at] in numbers and piece[at:] in numbers
    )


def _merges(model: Json) -> list[tuple[str, str]]:
    """Return the merges as pairs; what is no pair becomes one of nothing, which agrees with no vocabulary.

    Texts "left right" hold no other space: SentencePiece spells it ▁.
    """
    result = []
    for merge in model.get("merges") or []:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        sound = isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
        result.append((pair[0], pair[1]) if sound else ("", ""))
    return result


def _kind(piece: str, unknown: str, control: set[str]) -> int:
    if piece == unknown:
        return UNKNOWN
    if piece in BYTES:
        return BYTE
    return CONTROL if piece in control else NORMAL


def _adds_space(files: TokenizerFiles) -> bool:
    """Whether a space goes before a text. Raises ConvertError where tokenizer.json changes a text otherwise."""
    steps = [_steps(files.tokenizer.get(key), inner) for key, inner in _PLACES]
    known = [step for part in steps for step in part]
    for step in known:
        if step.get("type") == "Replace" and step.get("pattern") == {"String": " "} and step.get("content") == SPACE:
            continue
        if step.get("type") == "Prepend" and step.get("prepend") == SPACE:
            continue
        if step.get("type") == "Metaspace" and step.get("replacement", SPACE) == SPACE and not step.get("split"):
            continue
        raise _refusal(files, f"it prepares a text with a step that llama.cpp does not know ({step.get('type')})")
    return any(
        step.get("type") == "Prepend"
        or (step.get("type") == "Metaspace" and step.get("prepend_scheme", "always") != "never")
        for step in known
    )


_PLACES = (("normalizer", "normalizers"), ("pre_tokenizer", "pretokenizers"))


def _steps(found: object, inner: str) -> list[Json]:
    if not isinstance(found, dict):
        return []
    parts = found.get(inner) if found.get("type") == "Sequence" else [found]
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _refusal(files: TokenizerFiles, reason: str) -> ConvertError:
    return ConvertError(
        f"{files.folder} has no tokenizer.model, and its scores cannot be rebuilt from tokenizer.json, because "
        f"{reason}; copy tokenizer.model from the original base model into the folder."
    )
