import subprocess
import sys
from collections.abc import Callable
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


READ = """
import sys
from pathlib import Path
from convert.checkpoint import open_file
from convert.errors import ConvertError
from convert.json_file import read_object
told = "read"
for read in (open_file, read_object):
    try:
        read(Path(sys.argv[1]))
    except ConvertError as error:
        told = str(error)
# Not getrusage: that counts the memory of the process that started this one too.
peak = next(line for line in Path("/proc/self/status").open() if line.startswith("VmHWM:"))
print(int(peak.split()[1]) * 1024, told)
"""
SIZE = 99_900_000
TENSOR = b'"%07d":{"dtype":"U8","shape":[],"data_offsets":[%d,%d]},'


def filled(piece: bytes) -> bytes:
    return b'{"":[' + piece * (SIZE // len(piece)) + b"0]}"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: filled(b"{},"), id="empty objects"),
        pytest.param(lambda: filled(b'{"a":{}},'), id="objects in objects"),
        pytest.param(lambda: filled(b"[],"), id="empty lists"),
        pytest.param(lambda: filled(b"999,"), id="numbers"),
        pytest.param(lambda: filled(b'"xy",'), id="texts"),
        pytest.param(lambda: b'{"a":"' + b"x" * SIZE + b'\\ud83d\\ude00"}', id="one wide text, escaped"),
        pytest.param(lambda: b'{"a":"' + b"x" * SIZE + "\U0001f600".encode() + b'"}', id="one wide text"),
        pytest.param(lambda: b'{"a":"' + b"x" * 49_000_000 + "\U0001f600".encode() + b'"}', id="one wide text, half"),
        pytest.param(lambda: b"{" + b'"a":{},' * (SIZE // 7) + b'"a":{}}', id="one name again and again"),
        pytest.param(
            lambda: b"{" + b"".join(TENSOR % (n, n, n + 1) for n in range(1_500_000))[:-1] + b"}",
            id="more tensors than any",
        ),
        pytest.param(
            lambda: b"{" + b"".join(TENSOR % (n, n, n + 1) for n in range(440_000))[:-1] + b"}",
            id="just not too many tensors",
        ),
    ],
)
def test_a_hundred_megabytes_of_anything_stay_below_one_in_memory(tmp_path: Path, make: Callable[[], bytes]) -> None:
    """Once as the header of a safetensors file, once as a file of JSON."""
    path, text = tmp_path / "hostile", make()
    for offset in (0, 8):
        path.write_bytes((len(text).to_bytes(8, "little") + text)[offset:])
        run = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, check=True, text=True)
        peak, words = run.stdout.split(maxsplit=1)
        assert int(peak) < 1_000_000_000, words
        assert len(words) < 300
