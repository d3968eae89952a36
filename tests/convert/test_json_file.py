from pathlib import Path

import pytest

from convert.errors import ConvertError
from convert.json_file import LARGEST, read_object, read_object_if_present


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[1]", b"5", b"\xff", b'{"a": 1, "a": 2}', b"{" * 10**5, b'{"a": ' + b"9" * 10**4 + b"}"]
)
def test_what_is_no_object_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "x.json").write_bytes(text)
    with pytest.raises(ConvertError, match=r"x\.json"):
        read_object(tmp_path / "x.json")


def test_a_file_of_unlikely_size_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.json").open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(ConvertError, match="larger than 100 MB"):
        read_object(tmp_path / "x.json")


def test_a_missing_file_is_empty_only_where_it_may_be(tmp_path: Path) -> None:
    assert read_object_if_present(tmp_path / "x.json") == {}
    with pytest.raises(ConvertError, match="is missing"):
        read_object(tmp_path / "x.json")


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="cannot be read"):
        read_object_if_present(tmp_path)
