"""What lies beside the weights and tells about the model: settings, model card, pooling; never a weight or a token."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from convert.errors import ConvertError
from convert.json_file import Json, read_list, read_object, read_object_if_present

LARGEST_CARD = 10_000_000  # bytes


@dataclass(frozen=True)
class Description:
    """The files of one checkpoint's folder. `card` is the head of README.md, `pooling` sentence-transformers' own."""

    name: str
    config: Json
    generation: Json
    card: Json
    pooling: Json


def read_description(folder: Path) -> Description:
    """Read what describes the checkpoint in `folder`. Raises ConvertError when a settings file is not JSON."""
    return Description(
        folder.resolve().name,
        config=read_object(folder / "config.json"),
        generation=read_object_if_present(folder / "generation_config.json"),
        card=read_card(folder / "README.md"),
        pooling=_pooling(folder),
    )


def read_card(path: Path) -> Json:
    """Return the YAML head of a model card, empty when there is none that can be read: it is no part of the model.

    Two slips of card writers are put right as llama.cpp's converter does: tabs, and Norway's "no" among languages.
    """
    try:
        if path.stat().st_size > LARGEST_CARD:
            return {}
        lines = path.read_text("utf-8").splitlines()
        if lines[:1] != ["---"]:
            return {}
        rest = lines[1:]
        head = "\n".join(rest[: rest.index("---")] if "---" in rest else rest) + "\n"
        card = yaml.safe_load(head.replace("- no\n", '- "no"\n').replace("\t", "  "))
    except (OSError, ValueError, OverflowError, RecursionError, yaml.YAMLError):
        return {}
    return card if isinstance(card, dict) else {}


def _pooling(folder: Path) -> Json:
    """Return the settings of sentence-transformers' pooling module, empty when there is none."""
    path = folder / "modules.json"
    if not path.exists():
        return {}
    for module in read_list(path):
        kind, place = (module.get("type"), module.get("path")) if isinstance(module, dict) else (None, None)
        if isinstance(kind, str) and kind.endswith("Pooling"):
            # A plain name inside the folder: a path could point anywhere on this machine.
            if not isinstance(place, str) or Path(place).name != place or place in {"", ".", ".."}:
                raise ConvertError(f"{path} names a module outside its folder.")
            return read_object(folder / place / "config.json")
    return {}
