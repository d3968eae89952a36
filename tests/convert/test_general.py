"""What a name and a model card tell, and that a malformed card stops nothing."""

from pathlib import Path

import pytest
from support.tiny_families import CARD

from convert.arch.general import general_metadata, pooling_metadata
from convert.description import read_card, read_description
from convert.errors import ConvertError


def write(folder: Path, text: str) -> Path:
    (folder / "README.md").write_text(text, "utf-8")
    return folder / "README.md"


@pytest.mark.parametrize(
    "text",
    ["", "# no head", "---\n- a list\n---\n", "---\na: [\n---\n", "---\nx: !!python/object:os.system 1\n---\n",
     "---\nwhen: 2020-13-45\n---\n", "---\n" + "[" * 5000 + "\n---\n"],
)  # fmt: skip
def test_a_card_that_cannot_be_read_is_no_card(tmp_path: Path, text: str) -> None:
    assert read_card(write(tmp_path, text)) == {}


def test_a_card_is_read_and_its_usual_slips_are_put_right(tmp_path: Path) -> None:
    assert read_card(write(tmp_path, CARD))["language"] == ["en", "no"]
    assert read_card(tmp_path / "none.md") == {}


@pytest.mark.parametrize(
    "card",
    [
        {"license": {"a": 1}, "tags": [None, 5, ["x"]], "name": ["a"], "version": 1.5, 7: "x"},
        {"base_model": [None, {"name": None, "url": 5}, 3], "datasets": 5, "language": {"a": "b"}},
        {"base_model": "../x", "datasets": ["", "/", "a/b/c", "https://huggingface.co/x/y"]},
        {"license": ["mit", "apache-2.0"]},
    ],
)
def test_odd_entries_of_a_card_stop_nothing(card: dict[str, object]) -> None:
    metadata = general_metadata("llama", "tiny", 1000, 0, {}, {"_name_or_path": 5}, card)
    assert metadata["general.architecture"] == "llama"
    for key, value in metadata.items():
        assert not isinstance(value, list) or all(isinstance(item, str) for item in value), key


def test_a_way_of_pooling_that_llama_cpp_lacks_is_refused(tmp_path: Path) -> None:
    assert pooling_metadata("bert", {"pooling_mode_cls_token": True}) == {"bert.pooling_type": 2}
    assert pooling_metadata("qwen3", {"pooling_mode": "lasttoken"}) == {"qwen3.pooling_type": 3}
    assert pooling_metadata("llama", {"pooling_mode_max_tokens": True}) == {}
    with pytest.raises(ConvertError, match="pooling"):
        pooling_metadata("bert", {"pooling_mode_max_tokens": True})


@pytest.mark.parametrize("place", ["../elsewhere", "/etc", "..", 5])
def test_a_pooling_module_outside_the_folder_is_not_opened(base: Path, tmp_path: Path, place: object) -> None:
    (tmp_path / "config.json").write_bytes((base / "config.json").read_bytes())
    text = f'[{{"type": "x.Pooling", "path": {place if isinstance(place, int) else chr(34) + str(place) + chr(34)}}}]'
    (tmp_path / "modules.json").write_text(text)
    with pytest.raises(ConvertError, match="outside"):
        read_description(tmp_path)
