"""Fits adapters saved by PEFT to a base and merges them into it; never knows about GGUF.

The merged weights are those of PEFT's merge_and_unload() in float32 (tests/data/record_peft.py), except where a
base shares one matrix between embedding and head and PEFT's merge changes both though one was trained.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from convert.errors import ConvertError
from convert.json_file import Json
from convert.lora.changes import PASS_VALUES, Change, Merger, Step, step_of, step_of_whole
from convert.lora.keys import module_of
from convert.lora.reading import read_changes
from convert.lora.settings import read_settings
from convert.lora.tying import completed, same
from convert.tensors import TensorInfo, TensorSource


@dataclass(frozen=True)
class Adapter:
    """An adapter as it was saved, what to call it, and how much of it to add (1 is all)."""

    label: str
    config: Json
    source: TensorSource
    share: float = 1.0


@dataclass(frozen=True)
class Origin:
    """Where the values of a weight lie before anything is added to them."""

    source: TensorSource
    name: str


@dataclass(frozen=True)
class Merge:
    """A base with adapters fitted to it. `tensors` are the weights that come out, by name.

    `tied` are the base's shared matrices, head -> embedding; `changes` holds what each adapter, by its place, does
    to a weight; `notices` are for a person to read.
    """

    base: TensorSource
    adapters: Sequence[Adapter]
    tied: Mapping[str, str]
    tensors: Mapping[str, TensorInfo]
    origins: Mapping[str, Origin]
    changes: Mapping[str, Mapping[int, Change]]
    notices: tuple[str, ...]

    def origin(self, name: str) -> Origin:
        """Return where the rows of `name` are to be read that go into its merger."""
        return self.origins.get(name, Origin(self.base, name))

    def merger(self, name: str) -> Merger:
        """Return what merges the adapters into `name`, its factors read; without a change it does nothing."""
        steps: list[tuple[str, Step]] = []
        origin = self.origin(name)
        changes = [(self.adapters[place], change) for place, change in self.changes.get(name, {}).items()]
        # DoRA rescales the base it was trained on; what other adapters add must not be rescaled with it.
        changes.sort(key=lambda entry: not (entry[1].product and entry[1].product.magnitude))
        for adapter, change in changes:
            if change.whole:
                steps.append((adapter.label, step_of_whole(self.base, _stored(self.base, self.tied, name))))
            parts = (part for part in (change.product, change.rows, change.shift) if part)
            steps += ((adapter.label, step_of(part, adapter.source, origin.source, origin.name)) for part in parts)
        return Merger(steps)


def fit(base: TensorSource, adapters: Sequence[Adapter], tied: Mapping[str, str] | None = None) -> Merge:
    """Return `base` with `adapters` fitted to it; `tied` gives the weights that are another one, head -> embedding.

    Raises ConvertError when a setting is not understood, a tensor of an adapter fits nothing, lacks its partner,
    has another shape than its weight needs or holds a value that is no number, or when two adapters cannot both
    have their way: every tensor is used exactly once, or nothing is done.
    """
    tied = tied or {}
    labels = Counter(adapter.label for adapter in adapters)
    if doubled := [label for label, number in labels.items() if number > 1]:
        raise ConvertError(f"The adapter {doubled[0]} is named twice; give each of them once.")
    everything: dict[str, dict[int, Change]] = {}
    notices: list[str] = []
    for place, adapter in enumerate(adapters):
        known = {**base.tensors, **{head: _renamed(base, head, name) for head, name in tied.items()}}
        settings = read_settings(adapter.config, sorted({module_of(name) for name in known}))
        notices += settings.notices
        changes = read_changes(adapter.source, settings, known)
        _check_values(adapter.source)
        changes = {
            name: _without_copy(change, _stored(base, tied, name), base, adapter.source)
            for name, change in changes.items()
        }
        for head, embedding in tied.items():
            changes = completed(changes, head, embedding, settings)
        for name, change in changes.items():
            if change != Change():
                everything.setdefault(name, {})[place] = _shared_out(adapter, name, change)
    _check_together(everything, adapters)
    return _with_tied(base, adapters, everything, tied, notices)


def _stored(base: TensorSource, tied: Mapping[str, str], name: str) -> str:
    """Return under which name the base holds the weight `name`."""
    return name if name in base.tensors else tied.get(name, name)


def _renamed(base: TensorSource, head: str, embedding: str) -> TensorInfo:
    return base.tensors.get(head) or replace(base.tensors[embedding], name=head)


def _without_copy(change: Change, name: str, base: TensorSource, source: TensorSource) -> Change:
    """Return `change` without the copy of an untouched weight that PEFT saves beside an adapter of an embedding."""
    if not change.whole or change.trained or name not in base.tensors:
        return change
    shape = base.tensors[name].shape
    if source.tensors[change.whole].shape != shape:
        return change
    step = max(1, PASS_VALUES * shape[0] // base.tensors[name].values)
    for first in range(0, shape[0], step):
        span = first, min(step, shape[0] - first)
        if not np.array_equal(source.read_rows(change.whole, *span), base.read_rows(name, *span)):
            return change
    return replace(change, whole=None)


def _shared_out(adapter: Adapter, name: str, change: Change) -> Change:
    """Return `change` with the adapter's share multiplied in. Raises ConvertError where it cannot be taken in part."""
    if adapter.share == 1:
        return change
    if change.whole or change.rows:
        raise ConvertError(f"{adapter.label} puts new values in {name}, so it can only be merged with the weight 1.")
    if change.product and change.product.magnitude:
        raise ConvertError(f"{adapter.label} is a DoRA adapter, so it can only be merged with the weight 1.")
    product, shift = change.product, change.shift
    return replace(
        change,
        product=product and replace(product, scale=product.scale * adapter.share),
        shift=shift and replace(shift, scale=shift.scale * adapter.share),
    )


def _check_together(everything: Mapping[str, Mapping[int, Change]], adapters: Sequence[Adapter]) -> None:
    """Check that what several adapters do to one weight can be done by all of them."""
    for name, changes in everything.items():
        if len(changes) < 2:
            continue
        who = " and ".join(adapters[place].label for place in changes)
        if sum(bool(change.product and change.product.magnitude) for change in changes.values()) > 1:
            raise ConvertError(
                f"{who} are both DoRA adapters of {name}: merged, they are not what either was trained as."
            )
        if any(change.whole for change in changes.values()):
            raise ConvertError(f"{who} both change {name}, and one of them replaces it; merge one of them.")
        if any(change.rows for change in changes.values()):
            numbers = [change.rows.numbers for change in changes.values() if change.rows]
            if len(numbers) < len(changes) or len(set().union(*numbers)) < sum(map(len, numbers)):
                raise ConvertError(f"{who} both change {name}, and one of them replaces rows of it; merge one of them.")


def _with_tied(
    base: TensorSource,
    adapters: Sequence[Adapter],
    everything: dict[str, dict[int, Change]],
    tied: Mapping[str, str],
    notices: list[str],
) -> Merge:
    """Return the merge, with a head of its own where an adapter parts it from the embedding."""
    origins = {}
    tensors = dict(base.tensors)
    for head, embedding in tied.items():
        if head in base.tensors:
            continue
        both = [*everything.get(head, {}).values(), *everything.get(embedding, {}).values()]
        added = any(change.product or change.rows for change in both)
        if _alike(everything.get(head, {}), everything.get(embedding, {}), adapters):
            if any(change.product for change in everything.pop(head, {}).values()):
                notices.append(f"{embedding} is the head as well; PEFT's own merge would add the change to it twice")
            continue
        tensors[head] = _renamed(base, head, embedding)
        origins[head] = Origin(base, embedding)
        notices.append(
            f"{embedding} and {head} are one matrix in the base, but the adapter was trained on them as two; they are "
            "written apart, as the training saw them"
            + ("; PEFT's own merge would put what was trained on one into both" if added else "")
        )
    for name, changes in everything.items():
        for place, change in changes.items():
            if change.whole:
                origins[name] = Origin(adapters[place].source, change.whole)
                tensors[name] = replace(adapters[place].source.tensors[change.whole], name=name)
    return Merge(base, adapters, tied, tensors, origins, everything, tuple(notices))


def _alike(head: Mapping[int, Change], embedding: Mapping[int, Change], adapters: Sequence[Adapter]) -> bool:
    return head.keys() == embedding.keys() and all(
        same(head[place], embedding[place], adapters[place].source) for place in head
    )


def _check_values(source: TensorSource) -> None:
    """Check that every value of an adapter is a number."""
    for name, info in source.tensors.items():
        rows = info.shape[0] if info.shape else 1
        step = max(1, PASS_VALUES * rows // max(1, info.values))
        for first in range(0, rows, step):
            if not np.isfinite(source.read_rows(name, first, min(step, rows - first))).all():
                raise ConvertError(f"The adapter's tensor {name} holds values that are not numbers.")
