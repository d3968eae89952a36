"""Special tokens, and whether they are added to a text; never changes a token.

Order of places: gguf's SpecialVocab, so that the metadata equals that of llama.cpp's own converter. Beyond it, what
generation_config.json says ends an answer is carried over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import Metadata
from convert.vocab.files import TokenizerFiles, listed_tokens

# Kind of token in tokenizer_config.json -> its key in GGUF (llama.cpp has no use for a cls token of its own).
ID_KEYS = {
    "bos": "bos", "eos": "eos", "unk": "unknown", "sep": "seperator", "pad": "padding", "mask": "mask", "eot": "eot"
}  # fmt: skip
ADDED = ("bos", "eos", "sep")

# Tokens that end an answer by their text, whatever the metadata says (llama.cpp, src/llama-vocab.cpp).
ENDS_BY_TEXT = frozenset(
    {
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
        "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
        "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Roles:
    """What the settings say: the text of each kind of special token, and which kinds are added to a text."""

    texts: Mapping[str, str]
    added: Mapping[str, bool]


def special_metadata(files: TokenizerFiles, tokens: list[str]) -> Metadata:
    """Return the ids of special tokens and what is added to a text, for a vocabulary of `tokens`.

    Raises ConvertError without an end token: no answer would end.
    """
    roles = _roles(files)
    metadata: Metadata = {}
    for kind, key in ID_KEYS.items():
        number = _special_id(files, roles, kind, len(tokens))
        if number is not None:
            metadata[f"tokenizer.ggml.{key}_token_id"] = number
    if "tokenizer.ggml.eos_token_id" not in metadata:
        text = roles.texts.get("eos")
        if text not in tokens:
            raise ConvertError(f"No file in {files.folder} says which token ends a text (eos_token_id).")
        metadata["tokenizer.ggml.eos_token_id"] = tokens.index(text)
    for kind in ADDED:
        if kind in roles.added:
            metadata[f"tokenizer.ggml.add_{kind}_token"] = roles.added[kind]
    prefix = files.tokenizer_config.get("add_prefix_space")
    if isinstance(prefix, bool) and files.is_llama:
        metadata["tokenizer.ggml.add_space_prefix"] = prefix
    return metadata | _further_ends(files, metadata, tokens)


def special_notices(metadata: Metadata) -> tuple[str, ...]:
    """Return what a person should know about the special tokens in `metadata`."""
    pad, eos = (metadata.get(f"tokenizer.ggml.{kind}_token_id") for kind in ("padding", "eos"))
    if pad is None or pad != eos:
        return ()
    return (
        "The token that ends an answer is also the padding token; a model that was trained so may not have learned "
        "to stop.",
    )


def _roles(files: TokenizerFiles) -> Roles:
    """Return what tokenizer_config.json says, as the post-processor of tokenizer.json corrects it."""
    texts = {kind: text for kind in (*ID_KEYS, "cls") if (text := _text(files.tokenizer_config.get(f"{kind}_token")))}
    added: dict[str, bool] = {}
    if files.tokenizer:
        for kind, stand_in in (("bos", "cls"), ("eos", "sep")):
            if kind not in texts and stand_in in texts:
                texts[kind] = texts[stand_in]
        for step in _processors(files.tokenizer):
            if step.get("type") == "ByteLevel":
                added = {"bos": False, "eos": False} | added
            elif step.get("type") == "TemplateProcessing":
                _read_template(step, texts, added)
            # llama.cpp frames a BERT text by itself.
            elif step.get("type") != "BertProcessing" or not files.is_word_piece:
                raise ConvertError(f"tokenizer.json finishes texts in a way that is not known: {step.get('type')}.")
    for kind in ADDED:
        stated = files.tokenizer_config.get(f"add_{kind}_token")
        if isinstance(stated, bool):
            added.setdefault(kind, stated)
    return Roles(texts, added)


def _read_template(step: Json, texts: dict[str, str], added: dict[str, bool]) -> None:
    """Put what a TemplateProcessing does to a text, or to a pair of texts, into `texts` and `added`."""
    single, pair = (_names(step.get(key)) for key in ("single", "pair"))
    first, last = (single[0], single[-1]) if len(single) > 1 else (None, None)
    if first:
        texts.setdefault("bos", first)
        added["bos"] = first in (texts["bos"], texts.get("cls"))
    if last:
        # What ended a text by name so far then ends a turn.
        if texts.get("eos", last) != last:
            texts.setdefault("eot", texts["eos"])
        texts["eos"] = last
        added["eos"] = True
    if not pair:
        return
    inner = pair[bool(first and pair[0] == first) : len(pair) - bool(last and pair[-1] == last)]
    between = inner[1:-1]
    # A text is None here: the names are those of special tokens.
    if len(inner) > 2 and inner[0] is None and inner[-1] is None:
        separators = {texts.get("sep"), texts.get("eos")} - {None}
        added["sep"] = (between[0] in separators and not last) or (len(between) == 2 and between[1] in separators)


def _names(pieces: object) -> list[str | None]:
    """Return for each piece of a template the special token's text, or None for a text of the person's."""
    names: list[str | None] = []
    for piece in pieces if isinstance(pieces, list) else []:
        special = piece.get("SpecialToken") if isinstance(piece, dict) else None
        name = special.get("id") if isinstance(special, dict) else None
        names.append(name if isinstance(name, str) else None)
    return names


def _processors(tokenizer: Json) -> list[Json]:
    processor = tokenizer.get("post_processor")
    steps = (processor.get("processors") or [processor]) if isinstance(processor, dict) else []
    return [step if isinstance(step, dict) else {} for step in steps]


def _text(named: object) -> str | None:
    text = named.get("content") if isinstance(named, dict) else named
    return text if isinstance(text, str) else None


def _special_id(files: TokenizerFiles, roles: Roles, kind: str, vocab_size: int) -> int | None:
    """Return the number of a special token: by its text in tokenizer.json, else as the settings state it."""
    text = roles.texts.get(kind)
    candidates: list[Any] = [token.number for token in listed_tokens(files) if token.text == text]
    for settings in (files.config, files.generation):
        candidates += _stated(settings, kind)
    # Llama 1 folders say -1 for "no padding", others name a token that was never added: both mean none.
    return next((number for number in candidates if _is_token(number, vocab_size)), None)


def _further_ends(files: TokenizerFiles, metadata: Metadata, tokens: list[str]) -> Metadata:
    """Return keys for the other tokens that the settings say end an answer; GGUF has room for two."""
    stated = [number for settings in (files.config, files.generation) for number in _stated(settings, "eos")]
    known = {metadata["tokenizer.ggml.eos_token_id"], metadata.get("tokenizer.ggml.eot_token_id")}
    others = [
        number
        for number in dict.fromkeys(stated)
        if _is_token(number, len(tokens)) and number not in known and tokens[number] not in ENDS_BY_TEXT
    ]
    room = [key for key in ("eot", "eom") if f"tokenizer.ggml.{key}_token_id" not in metadata]
    if len(others) > len(room):
        raise ConvertError(f"{files.folder} names more tokens that end an answer than GGUF can hold: {others}.")
    return {f"tokenizer.ggml.{key}_token_id": number for key, number in zip(room, others, strict=False)}


def _stated(settings: Json, kind: str) -> list[Any]:
    stated = settings.get(f"{kind}_token_id")
    return stated if isinstance(stated, list) else [stated]


def _is_token(number: object, vocab_size: int) -> bool:
    return type(number) is int and 0 <= number < vocab_size
