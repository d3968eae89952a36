import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tiny_model import ALPHA, RANK, Shape, write_adapter, write_checkpoint, write_safetensors

from convert.checkpoint import open_adapter, open_folder
from convert.errors import ConvertError
from convert.lora import Adapter, Merge, fit
from convert.lora.settings import REFUSED, read_settings

Tensors = dict[str, NDArray[np.float32]]
FIELDS = Path(__file__).parent.parent / "data" / "peft" / "fields.json"
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
PREFIX = "base_model.model."


def config_of(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text())
    return config


def adapter_in(folder: Path, share: float = 1.0, **settings: object) -> Adapter:
    return Adapter(folder.name, config_of(folder) | settings, open_adapter(folder), share)


def read(base: Path, *folders: Path, **settings: object) -> Merge:
    return fit(open_folder(base), [adapter_in(folder, 1.0, **settings) for folder in folders])


def rewrite(folder: Path, change: Callable[[Tensors], Mapping[str, NDArray[np.float32]]]) -> None:
    """Replace the adapter's tensors by what `change` makes of them."""
    source = open_adapter(folder)
    tensors = {name: source.read(name).copy() for name in source.tensors}
    write_safetensors(folder / "adapter_model.safetensors", dict(change(tensors)), "F32")


def merged(merge: Merge, name: str) -> NDArray[np.float32]:
    origin = merge.origin(name)
    return merge.merger(name)(origin.source.read(origin.name))


def test_the_delta_is_added_as_the_formula_says(base: Path, tmp_path: Path) -> None:
    factors = write_adapter(tmp_path / "adapter")
    merge = read(base, tmp_path / "adapter")
    checkpoint = open_folder(base)
    assert merge.changes.keys() == factors.keys()
    for name, (a, b) in factors.items():
        weight = checkpoint.read(name)
        expected = weight.astype(np.float64) + ALPHA / RANK * (b.astype(np.float64) @ a.astype(np.float64))
        changed = merged(merge, name)
        assert changed.dtype == np.float32
        np.testing.assert_allclose(changed, expected, rtol=1e-5, atol=1e-6)
        assert np.abs(changed - weight).max() > 0.01


def test_a_weight_without_a_delta_stays_as_it_is(base: Path, adapter: Path) -> None:
    weight = open_folder(base).read("model.norm.weight")
    assert read(base, adapter).merger("model.norm.weight")(weight) is weight


def test_every_field_of_lora_config_is_known_and_off_by_default(base: Path, adapter: Path) -> None:
    fields = json.loads(FIELDS.read_text())
    assert len(fields) == 42
    settings = read_settings(fields)
    assert settings.notices == ()
    assert (settings.rank, settings.alpha) == (8, 8.0)
    assert read(base, adapter, **{k: v for k, v in fields.items() if k not in ("r", "lora_alpha")}).changes


@pytest.mark.parametrize("field", REFUSED)
def test_a_kind_that_cannot_be_merged_is_refused_with_the_reason(base: Path, adapter: Path, field: str) -> None:
    for active in ({"a": 1}, [1], True, *([[]] if field == "alora_invocation_tokens" else [])):
        with pytest.raises(ConvertError, match="cannot be merged: it"):
            read(base, adapter, **{field: active})
    for off in (None, False):
        assert read(base, adapter, **{field: off}).changes


@pytest.mark.parametrize(
    ("start", "name"),
    [
        ("pissa", "PiSSA"),
        ("pissa_niter_16", "PiSSA"),
        ("olora", "OLoRA"),
        ("corda", "CorDA"),
        ("lora_ga", "LoRA-GA"),
        ("loftq", "LoftQ"),
        ("kasa", "not known"),
    ],
)
def test_a_start_that_changed_the_base_is_refused_by_name(base: Path, adapter: Path, start: str, name: str) -> None:
    with pytest.raises(ConvertError, match=name):
        read(base, adapter, init_lora_weights=start)


@pytest.mark.parametrize("start", [True, False, None, "gaussian", "eva", "orthogonal", "mica"])
def test_a_start_that_left_the_base_alone_is_merged(base: Path, adapter: Path, start: object) -> None:
    assert read(base, adapter, init_lora_weights=start).changes


@pytest.mark.parametrize("value", [True, "on", {"a": 1}, [0], 0.5])
def test_an_unknown_setting_that_is_active_is_refused(base: Path, adapter: Path, value: object) -> None:
    with pytest.raises(ConvertError, match="warp_drive"):
        read(base, adapter, warp_drive=value)


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_an_unknown_setting_that_is_off_is_a_notice(base: Path, adapter: Path, value: object) -> None:
    merge = read(base, adapter, warp_drive=value)
    assert merge.changes
    assert "warp_drive" in merge.notices[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"peft_type": "IA3"}, "IA3"),
        ({"r": 0}, "rank"),
        ({"r": "4"}, "rank"),
        ({"r": True}, "rank"),
        ({"r": 8}, "rank 8"),
        ({"rank_pattern": {"q_proj": 2}}, "rank 2"),
        ({"rank_pattern": {"q_proj": 0}}, "q_proj"),
        ({"rank_pattern": {"q_proj[": 4}}, "no pattern"),
        ({"rank_pattern": ["q_proj"]}, "not a table"),
        ({"lora_alpha": None}, "lora_alpha"),
        ({"lora_alpha": float("nan")}, "lora_alpha"),
        ({"lora_alpha": 10**400}, "lora_alpha"),
        ({"alpha_pattern": {"q_proj": "8"}}, "alpha_pattern of q_proj"),
        ({"use_dora": "yes"}, "use_dora"),
        ({"use_dora": True}, "magnitude"),
        ({"bias": "some"}, "biases"),
        ({"modules_to_save": ["lm_head"]}, "lm_head.weight"),
        ({"modules_to_save": "lm_head"}, "list of names"),
        ({"trainable_token_indices": [1, 1]}, "twice"),
        ({"trainable_token_indices": [-1]}, "token numbers"),
    ],
)
def test_a_wrong_setting_is_refused(base: Path, adapter: Path, settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConvertError, match=words):
        read(base, adapter, **settings)


def test_modules_of_another_head_are_asked_for_only_where_the_base_has_them(base: Path, adapter: Path) -> None:
    assert read(base, adapter, modules_to_save=["classifier", "score"]).changes


@pytest.mark.parametrize(
    "renamed",
    [
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module.{name}",
        lambda name: name.removeprefix(PREFIX),
        lambda name: name.replace(".weight", ".default.weight"),
        lambda name: name.replace(".weight", ".sft.weight"),
        lambda name: name.replace("model.layers", "_orig_mod.model.layers"),
        lambda name: f"base_model.model._fsdp_wrapped_module.{name.removeprefix(PREFIX)}",
        lambda name: name.replace(".mlp", "._checkpoint_wrapped_module.mlp"),
    ],
    ids=["compiled", "parallel", "bare", "named", "named-otherwise", "compiled-inside", "fsdp", "checkpointed"],
)
def test_names_that_training_wrapped_up_are_understood(
    base: Path, adapter: Path, own_adapter: Path, renamed: Callable[[str], str]
) -> None:
    rewrite(own_adapter, lambda tensors: {renamed(name): values for name, values in tensors.items()})
    ours, plain = read(base, own_adapter), read(base, adapter)
    assert ours.changes.keys() == plain.changes.keys()
    for name in ours.changes:
        np.testing.assert_array_equal(merged(ours, name), merged(plain, name))


@pytest.mark.parametrize("inside", ["", ".modules_to_save", ".modules_to_save.default"])
def test_modules_trained_in_full_are_found_under_each_of_their_names(
    base: Path, own_adapter: Path, inside: str
) -> None:
    head = np.full((399, 64), 0.5, np.float32)
    rewrite(own_adapter, lambda tensors: tensors | {f"{PREFIX}lm_head{inside}.weight": head})
    merge = read(base, own_adapter, modules_to_save=["lm_head"])
    np.testing.assert_array_equal(merged(merge, HEAD), head)


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector",
        "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_velora_embed",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias",
        "model.layers.0.self_attn.lora_A.weight",
    ],
)
def test_every_tensor_that_fits_nothing_is_listed(base: Path, own_adapter: Path, name: str) -> None:
    rewrite(own_adapter, lambda tensors: tensors | {name: np.zeros((4, 64), np.float32)})
    with pytest.raises(ConvertError, match=f"fit nothing in the base: {name}"):
        read(base, own_adapter)


def test_a_bias_for_a_layer_without_one_is_refused(base: Path, own_adapter: Path) -> None:
    bias = {f"{PREFIX}model.layers.0.self_attn.q_proj.lora_B.bias": np.ones(64, np.float32)}
    rewrite(own_adapter, lambda tensors: tensors | bias)
    with pytest.raises(ConvertError, match="the layer has none"):
        read(base, own_adapter, lora_bias=True)


def test_two_tensors_for_one_purpose_are_refused(base: Path, own_adapter: Path) -> None:
    doubled = "model.layers.0.mlp.up_proj.lora_A.weight"
    rewrite(own_adapter, lambda tensors: tensors | {doubled: tensors[PREFIX + doubled]})
    with pytest.raises(ConvertError, match="two tensors for one purpose"):
        read(base, own_adapter)


def test_a_factor_without_its_partner_is_refused(base: Path, own_adapter: Path) -> None:
    rewrite(own_adapter, lambda tensors: dict(sorted(tensors.items())[1:]))
    with pytest.raises(ConvertError, match=r"does not have just the two factors.*lora_B"):
        read(base, own_adapter)


def test_an_adapter_without_tensors_is_refused(base: Path, own_adapter: Path) -> None:
    rewrite(own_adapter, lambda _: {})
    with pytest.raises(ConvertError, match="no tensors"):
        read(base, own_adapter)


def test_an_empty_tensor_is_told_from_a_wrong_one(base: Path, own_adapter: Path) -> None:
    rewrite(own_adapter, lambda tensors: {name: values[:0] for name, values in tensors.items()})
    with pytest.raises(ConvertError, match="ZeRO-3"):
        read(base, own_adapter)


def test_factors_of_another_shape_are_refused(base: Path, own_adapter: Path) -> None:
    name = f"{PREFIX}model.layers.0.self_attn.q_proj.lora_B.weight"
    rewrite(own_adapter, lambda tensors: tensors | {name: np.zeros((32, RANK), np.float32)})
    with pytest.raises(ConvertError, match=r"does not fit the base at model\.layers\.0\.self_attn\.q_proj"):
        read(base, own_adapter)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_found_wherever_it_is(base: Path, own_adapter: Path, value: float) -> None:
    name = f"{PREFIX}model.layers.1.mlp.down_proj.lora_B.weight"

    def spoil(tensors: Tensors) -> Tensors:
        tensors[name][-1, -1] = value
        return tensors

    rewrite(own_adapter, spoil)
    with pytest.raises(ConvertError, match=r"down_proj.*not numbers"):
        read(base, own_adapter)


def test_adapters_add_up_and_each_may_be_taken_in_part(base: Path, tmp_path: Path) -> None:
    one, two = write_adapter(tmp_path / "one", seed=1), write_adapter(tmp_path / "two", seed=2)
    merge = fit(open_folder(base), [adapter_in(tmp_path / "one", 0.5), adapter_in(tmp_path / "two", -2.0)])
    for name in one:
        (a1, b1), (a2, b2) = one[name], two[name]
        expected = open_folder(base).read(name) + ALPHA / RANK * (0.5 * b1 @ a1 - 2 * b2 @ a2)
        merger = merge.merger(name)
        np.testing.assert_allclose(merger(open_folder(base).read(name)), expected, rtol=1e-5, atol=1e-5)
        assert merger.norms["two"] == pytest.approx(np.linalg.norm(ALPHA / RANK * 2 * b2 @ a2), rel=1e-4)


def with_dora(folder: Path, seed: int) -> Adapter:
    factors = write_adapter(folder, seed=seed)
    ones = {
        f"{PREFIX}{n.removesuffix('.weight')}.lora_magnitude_vector": np.ones(len(b), np.float32)
        for n, (_, b) in factors.items()
    }
    rewrite(folder, lambda tensors: tensors | ones)
    return adapter_in(folder, use_dora=True)


def whole_head(folder: Path, seed: int) -> Adapter:
    write_adapter(folder, seed=seed)
    rewrite(folder, lambda tensors: tensors | {f"{PREFIX}lm_head.weight": np.full((399, 64), seed, np.float32)})
    return adapter_in(folder, modules_to_save=["lm_head"])


def rows_of_embedding(folder: Path, seed: int) -> Adapter:
    write_adapter(folder, seed=seed)
    rows = {f"{PREFIX}model.embed_tokens.token_adapter.trainable_tokens_delta": np.ones((2, 64), np.float32)}
    rewrite(folder, lambda tensors: tensors | rows)
    return adapter_in(folder, trainable_token_indices=[7, 7 + seed])


@pytest.mark.parametrize(
    ("make", "words"),
    [(with_dora, "both DoRA"), (whole_head, "replaces it"), (rows_of_embedding, "replaces rows")],
)
def test_adapters_that_cannot_both_have_their_way_are_refused(
    base: Path, tmp_path: Path, make: Callable[[Path, int], Adapter], words: str
) -> None:
    one, two = make(tmp_path / "one", 1), make(tmp_path / "two", 2)
    assert fit(open_folder(base), [one]).changes
    with pytest.raises(ConvertError, match=words):
        fit(open_folder(base), [one, two])


@pytest.mark.parametrize("make", [with_dora, whole_head, rows_of_embedding])
def test_what_cannot_be_taken_in_part_is_refused(
    base: Path, tmp_path: Path, make: Callable[[Path, int], Adapter]
) -> None:
    adapter = make(tmp_path / "one", 1)
    with pytest.raises(ConvertError, match="with the weight 1"):
        fit(open_folder(base), [Adapter("one", adapter.config, adapter.source, 0.5)])


def test_one_adapter_given_twice_is_refused(base: Path, adapter: Path) -> None:
    with pytest.raises(ConvertError, match="named twice"):
        read(base, adapter, adapter)


def test_a_square_weight_is_not_turned_for_fan_in_fan_out_alone(base: Path, adapter: Path) -> None:
    # PEFT ignores the setting where a layer is torch's Linear, as all of a Llama's are.
    ours, plain = read(base, adapter, fan_in_fan_out=True), read(base, adapter)
    for name in plain.changes:
        np.testing.assert_array_equal(merged(ours, name), merged(plain, name))


def test_a_head_and_an_embedding_trained_apart_need_both_their_rows(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "tied", Shape(tied=True))
    write_adapter(tmp_path / "a")
    head = np.full((399, 64), 0.5, np.float32)
    rewrite(tmp_path / "a", lambda tensors: tensors | {f"{PREFIX}lm_head.weight": head})
    merge = fit(
        open_folder(tmp_path / "tied"), [adapter_in(tmp_path / "a", modules_to_save=["lm_head"])], {HEAD: EMBEDDING}
    )
    np.testing.assert_array_equal(merged(merge, HEAD), head)
    assert EMBEDDING not in merge.changes
    assert merge.tensors[HEAD].shape == (399, 64)


@pytest.mark.parametrize("ties", [False, True])
def test_what_is_said_to_be_tied_stays_so_when_the_embedding_alone_was_saved(tmp_path: Path, ties: bool) -> None:
    write_checkpoint(tmp_path / "tied", Shape(tied=True))
    write_adapter(tmp_path / "a")
    module = f"{PREFIX}model.embed_tokens.lora_embedding"
    factors = {f"{module}_A": np.ones((4, 399), np.float32), f"{module}_B": np.ones((64, 4), np.float32)}
    rewrite(tmp_path / "a", lambda tensors: tensors | factors)
    adapter = adapter_in(tmp_path / "a", 1.0, ensure_weight_tying=ties)
    assert (HEAD in fit(open_folder(tmp_path / "tied"), [adapter], {HEAD: EMBEDDING}).tensors) == (not ties)
