"""Against PEFT 0.21.2: what merge_and_unload() made of small adapters, recorded by tests/data/record_peft.py."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.checkpoint import Checkpoint, open_adapter, open_file
from convert.lora import Adapter, Merge, fit

RECORDED = Path(__file__).parent.parent / "data" / "peft"
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
# PEFT's own merge of these is not what the training saw: recorded with embedding and head apart.
APART = ("tied_embedding", "tied_head", "tied_module", "tied_tokens_head")


def adapter(case: str, share: float = 1.0) -> Adapter:
    config = json.loads((RECORDED / case / "adapter_config.json").read_text())
    return Adapter(case, config, open_adapter(RECORDED / case), share)


def base_of(case: str) -> tuple[str, Checkpoint]:
    name = (RECORDED / case / "base.txt").read_text().strip()
    return name, open_file(RECORDED / f"{name}.safetensors")


def fitted(case: str, adapters: Sequence[Adapter]) -> Merge:
    name, base = base_of(case)
    return fit(base, adapters, {HEAD: EMBEDDING} if name == "tied" else {})


def merged(merge: Merge, name: str, rows: int = 5) -> NDArray[np.float32]:
    """One weight, merged in blocks of a few rows, the last one first."""
    origin, merger = merge.origin(name), merge.merger(name)
    total = origin.source.tensors[origin.name].shape[0]
    blocks = [
        merger(origin.source.read_rows(origin.name, first, min(rows, total - first)), first)
        for first in reversed(range(0, total, rows))
    ]
    return np.concatenate(blocks[::-1])


def check(case: str, merge: Merge) -> None:
    _, base = base_of(case)
    expected = open_file(RECORDED / case / "merged.safetensors")
    for name in set(merge.changes) - set(expected.tensors):
        assert np.array_equal(merged(merge, name), base.read(name)), name
    for name in expected.tensors:
        out = name if name in merge.tensors else EMBEDDING  # a head that still shares the embedding's matrix
        ours, theirs = merged(merge, out), expected.read(name)
        assert ours.dtype == np.float32
        assert ours.shape == theirs.shape == merge.tensors[out].shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6 * float(np.abs(theirs).max()), err_msg=name)


CASES = sorted(path.parent.name for path in RECORDED.glob("*/adapter_config.json"))


@pytest.mark.parametrize("case", CASES)
def test_a_merge_is_that_of_peft(case: str) -> None:
    merge = fitted(case, [adapter(case)])
    check(case, merge)
    used = {key for changes in merge.changes.values() for key in changes}
    assert used == {0}


@pytest.mark.parametrize("case", CASES)
def test_how_far_a_weight_moved_is_told(case: str) -> None:
    merge = fitted(case, [adapter(case)])
    for name, changes in merge.changes.items():
        merger, origin = merge.merger(name), merge.origin(name)
        before = origin.source.read(origin.name)
        after = merger(before)
        base = merge.base.read(name) if name in merge.base.tensors else before
        if base.shape == after.shape and not (changes[0].whole and changes[0].rows):
            assert merger.norms[case] == pytest.approx(np.linalg.norm(after - base), rel=1e-4)
        assert merger.norms[case] > 0.01


def test_all_cases_are_there() -> None:
    assert len(CASES) == 30


def test_adapters_add_up_by_their_weights() -> None:
    check("weighted", fitted("weighted", [adapter("plain", 0.75), adapter("rslora", 0.5)]))


@pytest.mark.parametrize("order", [("dora", "plain"), ("plain", "dora")])
def test_dora_scales_its_base_alone_whatever_the_order(order: tuple[str, str]) -> None:
    check("dora_and_lora", fitted("dora_and_lora", [adapter(case) for case in order]))


@pytest.mark.parametrize("case", CASES)
def test_a_shared_matrix_is_parted_only_where_the_training_parted_it(case: str) -> None:
    merge = fitted(case, [adapter(case)])
    tied = case.startswith("tied")
    assert (HEAD in merge.tensors) == (case in APART if tied else not case.startswith("fan") or HEAD in merge.tensors)
    assert any("written apart" in notice for notice in merge.notices) == (case in APART)
    assert any("twice" in notice for notice in merge.notices) == (case == "tied_ensured")


def test_a_vocabulary_that_grew_brings_its_rows() -> None:
    merge = fitted("resized", [adapter("resized")])
    assert merge.tensors[EMBEDDING].shape == merge.tensors[HEAD].shape == (26, 16)
    assert base_of("resized")[1].tensors[EMBEDDING].shape == (24, 16)
