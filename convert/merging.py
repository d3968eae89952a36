"""Where the rows of each weight come from: base, NF4 round trip, adapters; never what becomes of them.

base -> [four bits and back] -> [+ adapters] -> rows in float32, in the checkpoint's layout
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

from convert.checkpoint import Checkpoint, open_adapter, size_notice
from convert.errors import ConvertError
from convert.json_file import Json, read_object, read_object_if_present
from convert.lora import Adapter, Merge, Origin, fit
from convert.lora.changes import Merger
from convert.nf4 import RoundTrip, round_trip
from convert.tensors import Array

# Beside an adapter: how it was trained by the recipe of convert.finetune, {"base_precision": "nf4"} or "as-is".
RECIPE = "quietroom_recipe.json"
AS_IS, NF4 = "as-is", "nf4"
PRECISIONS = (AS_IS, NF4)


@dataclass(frozen=True)
class AdapterChoice:
    """An adapter that was asked for: its folder, and how much of it (1 is all)."""

    folder: Path
    share: float = 1.0

    @property
    def label(self) -> str:
        """What to call it."""
        return self.folder.resolve().name


def parse_choice(text: str) -> AdapterChoice:
    """Return the adapter in FOLDER or FOLDER:WEIGHT. Raises ValueError when the weight is no finite number."""
    folder, colon, share = text.rpartition(":")
    if not colon or not folder or Path(text).exists():
        return AdapterChoice(Path(text))
    try:
        number = float(share)
    except ValueError:  # a colon in a name, or behind a drive's letter
        return AdapterChoice(Path(text))
    if not isfinite(number):
        raise ValueError(f"{share} is not a weight for an adapter")
    return AdapterChoice(Path(folder), number)


@dataclass(frozen=True)
class OpenedWeight:
    """One weight, ready to be read in blocks of rows, in any order and from any thread."""

    origin: Origin
    round_trip: RoundTrip | None
    merger: Merger

    def rows(self, first: int, count: int) -> Array:
        """Return the rows `first` to `first + count` in float32, adapters merged in."""
        return self.finished(self.origin.source.read_rows(self.origin.name, first, count), first)

    def finished(self, block: Array, first: int) -> Array:
        """Return rows that were read from `origin`, from `first` on, as they go out; `block` is not changed."""
        return self.merger(self.round_trip(block, first) if self.round_trip else block, first)


@dataclass(frozen=True)
class Weights:
    """All weights that go out, by their names in the checkpoint; those in `rounded` pass through NF4 first."""

    merge: Merge
    rounded: frozenset[str] = frozenset()

    def open(self, name: str) -> OpenedWeight:
        """Return the weight `name`, with what it needs to be read in blocks."""
        origin = self.merge.origin(name)
        # What an adapter brings in full was never in four bits.
        passes = name in self.rounded and origin.source is self.merge.base
        return OpenedWeight(origin, round_trip(origin.source, origin.name) if passes else None, self.merge.merger(name))


def open_adapters(choices: Sequence[AdapterChoice], base: Path) -> tuple[list[Adapter], list[str]]:
    """Return the adapters and what a person should know about them. Raises ConvertError."""
    adapters, notices = [], []
    for choice in choices:
        if not choice.folder.is_dir():
            raise ConvertError(f"{choice.folder} is not a folder with an adapter.")
        config = read_object(choice.folder / "adapter_config.json")
        adapters.append(Adapter(choice.label, config, open_adapter(choice.folder), choice.share))
        notices += _base_notices(choice, config, base)
    return adapters, notices


def merge_into(checkpoint: Checkpoint, choices: Sequence[AdapterChoice], base: Path, tied: Mapping[str, str]) -> Merge:
    """Return the checkpoint in `base` with adapters fitted to it. Raises ConvertError."""
    adapters, notices = open_adapters(choices, base)
    if notice := size_notice(base, checkpoint):
        notices.append(notice)
    merge = fit(checkpoint, adapters, tied)
    return replace(merge, notices=(*notices, *merge.notices))


def base_precision(asked: str | None, choices: Sequence[AdapterChoice]) -> str:
    """Return what was asked for, else nf4 when an adapter's folder says that our own recipe trained it so."""
    if asked:
        return asked
    stated = [read_object_if_present(choice.folder / RECIPE).get("base_precision") for choice in choices]
    if unknown := [value for value in stated if value not in (None, *PRECISIONS)]:
        raise ConvertError(f"{RECIPE} names the base precision {unknown[0]!r}; known are {' and '.join(PRECISIONS)}.")
    return NF4 if NF4 in stated else AS_IS


def _base_notices(choice: AdapterChoice, config: Json, base: Path) -> list[str]:
    named = config.get("base_model_name_or_path")
    stated = read_object_if_present(base / "config.json").get("_name_or_path")
    names = {base.resolve().name, *([stated.rstrip("/").rpartition("/")[2]] if isinstance(stated, str) else [])}
    if not isinstance(named, str) or not named or named.rstrip("/").rpartition("/")[2] in names:
        return []
    return [f"the adapter {choice.label} names {named} as its base, and {base.resolve().name} is what it goes into"]
