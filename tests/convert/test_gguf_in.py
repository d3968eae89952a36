import struct
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from support.fuzz import fuzz, llama_takes
from support.llama_judge import read_metadata, read_tensors

from convert.errors import ConvertError
from convert.gguf_in import read_gguf

# One tensor x of 4 float32 and one setting, as bytes: what every damage below starts from.
KEY = struct.pack("<Q", 1) + b"k" + struct.pack("<II", 4, 7)


def entry(name: bytes = b"x", lengths: tuple[int, ...] = (4,), kind: int = 0, offset: int = 0) -> bytes:
    numbers = struct.pack(f"<I{len(lengths)}QIQ", len(lengths), *lengths, kind, offset)
    return struct.pack("<Q", len(name)) + name + numbers


def file(pairs: bytes = KEY, tensors: bytes = entry(), version: int = 3, counts: tuple[int, int] = (1, 1)) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, *counts) + pairs + tensors
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + bytes(32)


def setting(key: bytes, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(key)) + key + struct.pack("<I", kind) + value


def test_a_whole_file_is_read_as_the_gguf_package_reads_it(tiny: Path) -> None:
    header = read_gguf(tiny)
    found = {
        name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in header.metadata.items()
    }
    assert found == read_metadata(tiny)
    tensors = {name: (t.type.name, t.shape, header.read(name).tobytes()) for name, t in header.tensors.items()}
    assert tensors == read_tensors(tiny)


def test_what_the_package_can_write_is_read(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "all.gguf", "llama")
    settings: dict[str, object] = {
        "u": 2**63,
        "i": -5,
        "f": 0.5,
        "yes": True,
        "no": False,
        "text": "é\n日",
        "empty": "",
    }
    for add, key in (("uint64", "u"), ("int64", "i"), ("float64", "f"), ("bool", "yes"), ("bool", "no")):
        getattr(writer, f"add_{add}")(key, settings[key])
    writer.add_string("text", "é\n日")
    writer.add_key_value("empty", "", gguf.GGUFValueType.STRING)
    writer.add_array("list", ["a", ""])
    writer.add_tensor("none", np.zeros((0, 4), np.float32))
    writer.add_tensor("half", np.ones((2, 3, 4), np.float16))
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    header = read_gguf(tmp_path / "all.gguf")
    assert {key: header.metadata[key] for key in settings} == settings
    assert header.metadata["list"] == ["a", ""]
    assert header.read("none").size == 0
    np.testing.assert_array_equal(header.read("half").view(np.float16).reshape(header.tensors["half"].shape), 1)


DAMAGES: dict[str, tuple[bytes, str]] = {
    "another kind of file": (b"PK\3\4" + file()[4:], "not a GGUF file"),
    "nothing": (b"", "not a GGUF file"),
    "the start alone": (b"GGUF\3\0\0", "goes on where the file ends"),
    "a version to come": (file(version=4), "version 4"),
    "the other order of bytes": (b"GGUF" + struct.pack(">I", 3) + file()[8:], "version 50331648"),
    "too many tensors": (file(counts=(2**63, 1)), "9223372036854775808 tensors"),
    "more settings than bytes": (file(counts=(1, 2**40)), "is empty or comes twice"),
    "a setting twice": (file(KEY + KEY, counts=(1, 2)), "comes twice"),
    "a setting without a name": (file(setting(b"", 4, bytes(4))), "is empty"),
    "an unknown type": (file(setting(b"k", 13, bytes(8))), "unknown type 13"),
    "a truth that is 2": (file(setting(b"k", 7, b"\2")), "neither true nor false"),
    "a text that is no Unicode": (file(setting(b"k", 8, struct.pack("<Q", 1) + b"\xff")), "not Unicode"),
    "a text of all memory": (file(setting(b"k", 8, struct.pack("<Q", 2**62))), "bytes long"),
    "a list of all memory": (file(setting(b"k", 9, struct.pack("<IQ", 6, 2**62))), "too long"),
    "lists of lists": (file(setting(b"k", 9, struct.pack("<IQ", 9, 1) + bytes(16))), "unknown type 9"),
    "an alignment of 3": (file(setting(b"general.alignment", 4, struct.pack("<I", 3))), "3 is no alignment"),
    "an alignment of none": (file(setting(b"general.alignment", 4, struct.pack("<I", 0))), "0 is no alignment"),
    "a signed alignment": (file(setting(b"general.alignment", 5, struct.pack("<i", 32))), "32 is no alignment"),
    "a long name": (file(tensors=entry(b"x" * 64)), "64 bytes long"),
    "five dimensions": (file(tensors=entry(lengths=(1, 1, 1, 1, 1))), "5 dimensions"),
    "an unknown tensor type": (file(tensors=entry(kind=4)), "unknown type 4"),
    "half a block": (file(tensors=entry(lengths=(16,), kind=8)), "impossible shape for Q8_0"),
    "a shape that overflows": (file(tensors=entry(lengths=(2**32, 2**32))), "impossible shape"),
    "a shape that is nothing after all": (file(tensors=entry(lengths=(2**40, 0))), "belong to nothing"),
    "an offset outside": (file(tensors=entry(offset=2**40)), "not at 0 where it must"),
    "an offset between": (file(tensors=entry(offset=4)), "not at 0 where it must"),
    "one tensor on another": (file(tensors=entry() + entry(b"y"), counts=(2, 1)), "not at 32 where it must"),
    "a name twice": (file(tensors=entry() + entry(offset=32), counts=(2, 1)) + bytes(32), "two tensors are named x"),
    "a missing end": (file()[:-20], "4 bytes of its tensors are missing"),
    "more than it says": (file() + bytes(100), "belong to nothing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_named(damage: str, tmp_path: Path) -> None:
    data, words = DAMAGES[damage]
    path = tmp_path / "damaged.gguf"
    path.write_bytes(data)
    with pytest.raises(ConvertError, match=words):
        read_gguf(path)


def test_what_the_damages_start_from_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "sound.gguf"
    path.write_bytes(file())
    assert read_gguf(path).metadata == {"k": 7}
    assert read_gguf(path).read("x").tobytes() == bytes(16)
    assert llama_takes(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "nowhere.gguf", "is missing"), (tmp_path, "cannot be read")):
        with pytest.raises(ConvertError, match=words):
            read_gguf(path)


def test_damaged_headers_are_read_cleanly_or_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = fuzz(400, tmp_path)
    assert sum(found.values()) == 800
    assert all(found[f"{kind} {end}"] > 20 for kind in ("gguf", "safetensors") for end in ("read", "refused"))
    assert capfd.readouterr().err == ""


Command = Callable[..., int]


def test_a_damaged_file_is_one_sentence_at_every_verb(
    tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(file()[:-20])
    text = tmp_path / "text.txt"
    text.write_text("word " * 1000)
    for verb in (
        ("verify", path),
        ("measure", path, "--text", text),
        ("imatrix", path, "--text", text, "--out", tmp_path / "i.gguf"),
        ("card", path, "--out", tmp_path / "README.md"),
    ):
        assert command(*verb) == 2
        output, errors = capfd.readouterr()
        assert (output, errors) == ("", f"{path} is cut short: 4 bytes of its tensors are missing.\n")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["damaged.gguf", "home", "text.txt"]
