import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tiny_model import ALPHA, RANK, write_adapter, write_safetensors

from convert.checkpoint import open_file, open_folder
from convert.errors import ConvertError
from convert.lora import SWITCHES, Adapter, read_adapter


def config_of(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text())
    return config


def read(base: Path, folder: Path, **settings: object) -> Adapter:
    source = open_file(folder / "adapter_model.safetensors")
    return read_adapter(config_of(folder) | settings, source, open_folder(base).tensors)


def loaded(path: Path) -> dict[str, NDArray[np.float32]]:
    """All tensors of a file that is about to be replaced, hence copies and not maps of it."""
    source = open_file(path)
    return {name: source.read(name).copy() for name in source.tensors}


def test_the_delta_is_added_as_the_formula_says(base: Path, tmp_path: Path) -> None:
    factors = write_adapter(tmp_path / "adapter")
    adapter = read(base, tmp_path / "adapter")
    checkpoint = open_folder(base)
    assert adapter.deltas.keys() == factors.keys()
    for name, (a, b) in factors.items():
        weight = checkpoint.read(name)
        expected = weight.astype(np.float64) + ALPHA / RANK * (b.astype(np.float64) @ a.astype(np.float64))
        merge = adapter.merger(name)
        assert merge
        merged = np.concatenate([merge(weight[first : first + 5], first) for first in range(0, len(weight), 5)])
        assert merged.dtype == np.float32
        np.testing.assert_allclose(merged, expected, rtol=1e-5, atol=1e-6)
        assert np.abs(merged - weight).max() > 0.01


def test_a_weight_without_a_delta_stays_as_it_is(base: Path, adapter: Path) -> None:
    assert read(base, adapter).merger("model.norm.weight") is None


@pytest.mark.parametrize("field", SWITCHES)
def test_a_setting_that_is_not_supported_is_refused_by_name(base: Path, adapter: Path, field: str) -> None:
    active: dict[str, object] = {"bias": "all", "init_lora_weights": "pissa_niter_4", "rank_pattern": {"q_proj": 2}}
    with pytest.raises(ConvertError, match=field):
        read(base, adapter, **{field: active.get(field, True)})
    for value in (None, *SWITCHES[field][0]):
        assert read(base, adapter, **{field: value}).deltas


@pytest.mark.parametrize("value", [True, "on", {"a": 1}, [0], 0.5])
def test_an_unknown_setting_that_is_active_is_refused(base: Path, adapter: Path, value: object) -> None:
    with pytest.raises(ConvertError, match="warp_drive"):
        read(base, adapter, warp_drive=value)


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_an_unknown_setting_that_is_off_is_let_through(base: Path, adapter: Path, value: object) -> None:
    assert read(base, adapter, warp_drive=value).deltas


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"peft_type": "IA3"}, "IA3"),
        ({"r": 0}, "rank"),
        ({"r": "4"}, "rank"),
        ({"r": True}, "rank"),
        ({"r": 8}, "rank 8"),
        ({"lora_alpha": None}, "lora_alpha"),
        ({"lora_alpha": float("nan")}, "lora_alpha"),
        ({"lora_alpha": 10**400}, "lora_alpha"),
    ],
)
def test_a_wrong_rank_or_scale_is_refused(base: Path, adapter: Path, settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConvertError, match=words):
        read(base, adapter, **settings)


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector",
        "base_model.model.model.embed_tokens.lora_embedding_A",
        "model.layers.0.self_attn.q_proj.lora_A.weight",
    ],
)
def test_every_tensor_that_fits_nothing_is_listed(base: Path, own_adapter: Path, name: str) -> None:
    path = own_adapter / "adapter_model.safetensors"
    tensors = loaded(path)
    write_safetensors(path, {**tensors, name: np.zeros((4, 64), np.float32)}, "F32")
    with pytest.raises(ConvertError, match=f"fit nothing in the base: {name}"):
        read(base, own_adapter)


def test_a_factor_without_its_partner_is_refused(base: Path, own_adapter: Path) -> None:
    path = own_adapter / "adapter_model.safetensors"
    write_safetensors(path, dict(sorted(loaded(path).items())[1:]), "F32")
    with pytest.raises(ConvertError, match="only one of the two factors"):
        read(base, own_adapter)


def test_an_adapter_without_tensors_is_refused(base: Path, own_adapter: Path) -> None:
    write_safetensors(own_adapter / "adapter_model.safetensors", {}, "F32")
    with pytest.raises(ConvertError, match="no tensors"):
        read(base, own_adapter)


def test_factors_of_another_shape_are_refused(base: Path, own_adapter: Path) -> None:
    path = own_adapter / "adapter_model.safetensors"
    tensors = loaded(path)
    name = next(name for name in tensors if name.endswith("q_proj.lora_B.weight"))
    write_safetensors(path, {**tensors, name: np.zeros((32, RANK), np.float32)}, "F32")
    with pytest.raises(ConvertError, match=r"does not fit the base at model\.layers\.0\.self_attn\.q_proj"):
        read(base, own_adapter)
