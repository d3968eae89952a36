"""The chat template: found in one of three places, or known for Llama 2; never runs it."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from convert.errors import ConvertError
from convert.json_file import read_object_if_present
from convert.tensors import Metadata

# The form of Llama-2-chat: meta-llama/llama, llama/generation.py (chat_completion).
LLAMA_2 = (
    "{% set turns = messages %}{% set system = '' %}"
    "{% if turns[0]['role'] == 'system' %}"
    "{% set system = '<<SYS>>\\n' + turns[0]['content'] + '\\n<</SYS>>\\n\\n' %}{% set turns = turns[1:] %}"
    "{% endif %}"
    "{% for turn in turns %}"
    "{% if turn['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + (system if loop.first else '') + turn['content'].strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + turn['content'].strip() + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)
LLAMA_2_CHAT = re.compile(r"llama[-_ ]?2\b.*chat", re.IGNORECASE)

Templates = dict[str, str]


def chat_templates(folders: Sequence[Path]) -> Templates:
    """Return the chat templates of the first folder that has any, by name ("default" for the one without).

    Raises ConvertError when a file that should hold one cannot be read.
    """
    for folder in folders:
        stated = read_object_if_present(folder / "tokenizer_config.json").get("chat_template")
        in_json = read_object_if_present(folder / "chat_template.json").get("chat_template")
        for found in (stated, _template_files(folder), in_json):
            if templates := _named(found):
                return templates
    return {}


def template_metadata(templates: Templates, names: Iterable[object], metadata: Metadata) -> Metadata:
    """Return the metadata for `templates`, or Llama 2's own for a Llama-2-chat (by one of `names`) without any."""
    named = {name: text for name, text in templates.items() if name != "default"}
    result: Metadata = {f"tokenizer.chat_template.{name}": text for name, text in named.items()}
    if named:
        result["tokenizer.chat_templates"] = sorted(named)
    if "default" in templates:
        result["tokenizer.chat_template"] = templates["default"]
    elif metadata["tokenizer.ggml.model"] == "llama" and any(
        isinstance(name, str) and LLAMA_2_CHAT.search(name) for name in names
    ):
        result["tokenizer.chat_template"] = LLAMA_2
    return result


def _named(found: object) -> Templates:
    """Return templates by name out of a text, or out of a list of named ones."""
    if isinstance(found, str):
        return {"default": found} if found else {}
    templates = {}
    for entry in found if isinstance(found, list) else []:
        name, text = (entry.get("name"), entry.get("template")) if isinstance(entry, dict) else (None, None)
        if isinstance(name, str) and isinstance(text, str) and name and text:
            templates["".join(c if c.isascii() and c.isalnum() else "_" for c in name)] = text
    return templates


def _template_files(folder: Path) -> object:
    """Return the text of chat_template.jinja, with those of additional_chat_templates if there are any."""
    path = folder / "chat_template.jinja"
    if not path.exists():
        return None
    others = sorted((folder / "additional_chat_templates").glob("*.jinja"))
    if not others:
        return _read(path)
    return [{"name": "default", "template": _read(path)}] + [{"name": p.stem, "template": _read(p)} for p in others]


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConvertError(f"{path} cannot be read as text.") from error
