"""Against bitsandbytes 0.50.2 on the CPU: recorded by tests/data/record_nf4.py."""

from pathlib import Path

import numpy as np
import pytest

from convert import nf4
from convert.checkpoint import open_file

RECORDED = open_file(Path(__file__).parent.parent / "data" / "nf4" / "vectors.safetensors")
WEIGHTS = sorted(name.removesuffix(".weight") for name in RECORDED.tensors if name.endswith(".weight"))


@pytest.mark.parametrize("rows", [1, 3, 1000])
@pytest.mark.parametrize("weight", WEIGHTS)
def test_the_round_trip_is_that_of_bitsandbytes_bit_for_bit(weight: str, rows: int) -> None:
    convert = nf4.round_trip(RECORDED, f"{weight}.weight")
    values, theirs = RECORDED.read(f"{weight}.weight"), RECORDED.read(f"{weight}.result")
    ours = np.concatenate([convert(values[first : first + rows], first) for first in range(0, len(values), rows)])
    assert ours.tobytes() == theirs.tobytes()
    assert np.linalg.norm(ours - values) > 0.05 * np.linalg.norm(values)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_the_mean_of_the_scales_is_torchs_to_the_last_place(weight: str) -> None:
    mean = nf4.mean(nf4.block_scales(RECORDED, f"{weight}.weight"))
    np.testing.assert_array_max_ulp(np.array([mean]), RECORDED.read(f"{weight}.offset"), maxulp=1)


def test_the_map_of_8_bit_scales_is_that_of_bitsandbytes() -> None:
    assert nf4.dynamic_map().tobytes() == RECORDED.read("codes").tobytes()


def test_the_scales_are_found_in_several_passes_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for weight in WEIGHTS:
        whole = nf4.block_scales(RECORDED, f"{weight}.weight")
        with monkeypatch.context() as patch:
            patch.setattr(nf4, "PASS_VALUES", 100)
            assert nf4.block_scales(RECORDED, f"{weight}.weight").tobytes() == whole.tobytes()
