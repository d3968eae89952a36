"""Special tokens, whether they are added to a text, and the chat template; never changes a token.

Order of places: gguf's SpecialVocab, so that the metadata equals that of llama.cpp's own converter.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convert.errors import ConvertError
from convert.json_file import Json, read_object_if_present
from convert.tensors import Metadata
from convert.vocab.files import TokenizerFiles, listed_tokens

ID_KEYS = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}


def special_metadata(files: TokenizerFiles, vocab_size: int) -> Metadata:
    """Return special ids and add_bos/add_eos. Raises ConvertError without an end token: no answer ends."""
    metadata: Metadata = {}
    for kind, key in ID_KEYS.items():
        number = _special_id(files, kind, vocab_size)
        if number is not None:
            metadata[f"tokenizer.ggml.{key}_token_id"] = number
    if "tokenizer.ggml.eos_token_id" not in metadata:
        raise ConvertError(f"No file in {files.folder} says which token ends a text (eos_token_id).")
    for kind in ("bos", "eos"):
        add = _adds(files, kind)
        if add is not None:
            metadata[f"tokenizer.ggml.add_{kind}_token"] = add
    prefix = files.tokenizer_config.get("add_prefix_space")
    if isinstance(prefix, bool):
        metadata["tokenizer.ggml.add_space_prefix"] = prefix
    return metadata


def chat_template(folders: Sequence[Path]) -> str | None:
    """Return the chat template of the first folder that has one, or None. Raises ConvertError."""
    for folder in folders:
        stated = read_object_if_present(folder / "tokenizer_config.json").get("chat_template")
        for template in (stated, _template_file(folder), _template_json(folder)):
            if (text := _default_template(template)) is not None:
                return text
    return None


def _special_id(files: TokenizerFiles, kind: str, vocab_size: int) -> int | None:
    """Return the number of a special token: by its text in tokenizer.json, else as the settings state it."""
    named = files.tokenizer_config.get(f"{kind}_token")
    text = named.get("content") if isinstance(named, dict) else named
    candidates: list[Any] = [token.number for token in listed_tokens(files) if token.text == text]
    for settings in (files.config, files.generation):
        stated = settings.get(f"{kind}_token_id")
        candidates += stated if isinstance(stated, list) else [stated]
    # Llama 1 folders say -1 for "no padding", others name a token that was never added: both mean none.
    return next((number for number in candidates if type(number) is int and 0 <= number < vocab_size), None)


def _adds(files: TokenizerFiles, kind: str) -> bool | None:
    """Return whether bos (eos) goes before (after) a text: by post-processor, else by tokenizer_config."""
    processor = files.tokenizer.get("post_processor")
    steps = (processor.get("processors") or [processor]) if isinstance(processor, dict) else []
    found = None
    for step in steps:
        if step.get("type") == "ByteLevel":
            found = found or False
        elif step.get("type") == "TemplateProcessing":
            found = _template_adds(step, kind, files.tokenizer_config)
        else:
            raise ConvertError(f"tokenizer.json finishes texts in a way that is not known: {step.get('type')}.")
    stated = files.tokenizer_config.get(f"add_{kind}_token")
    return stated if found is None and isinstance(stated, bool) else found


def _template_adds(step: Json, kind: str, tokenizer_config: Json) -> bool:
    single = step.get("single") or [{}]
    end = single[0] if kind == "bos" else single[-1]
    text = end.get("SpecialToken", {}).get("id")
    named = tokenizer_config.get(f"{kind}_token")
    return text is not None and text == (named.get("content") if isinstance(named, dict) else named)


def _template_file(folder: Path) -> str | None:
    path = folder / "chat_template.jinja"
    try:
        return path.read_text("utf-8") if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConvertError(f"{path} cannot be read as text.") from error


def _template_json(folder: Path) -> object:
    template: object = read_object_if_present(folder / "chat_template.json").get("chat_template")
    return template


def _default_template(template: object) -> str | None:
    """Return a template given as text, or the one called default in a list of named ones."""
    if isinstance(template, list):
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
    return template if isinstance(template, str) and template else None
