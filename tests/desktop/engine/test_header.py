"""A GGUF's header, whole and damaged."""

import random
import shutil
from pathlib import Path

import pytest

from desktop.engine.header import read_header
from desktop.errors import UserError


def test_the_starter_is_read() -> None:
    from desktop.paths import starter_model

    header = read_header(starter_model())
    assert header.architecture == "llama"
    assert header.trained_context == 8192
    # Weights, 30 layers x 3 heads x 64 x 2 x 2 bytes x 4,096 tokens, and the working buffers.
    assert header.needed_bytes(4096) == 98_362_432 + 94_371_840 + 268_435_456


def test_every_cut_is_noticed(tiny: Path, tmp_path: Path) -> None:
    whole = tiny.read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in [*range(0, 400, 7), *range(400, len(whole), 4001), len(whole) - 32]:
        cut.write_bytes(whole[:length])
        with pytest.raises(UserError) as raised:
            read_header(cut)
        assert raised.value.code in ("model_not_gguf", "model_truncated")


def test_random_damage_is_refused_or_read_but_never_more(tiny: Path, tmp_path: Path) -> None:
    whole = tiny.read_bytes()
    source = random.Random(1)
    damaged = tmp_path / "damaged.gguf"
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(source.randint(1, 8)):
            data[source.randrange(4096)] = source.randrange(256)
        damaged.write_bytes(data)
        try:
            read_header(damaged)
        except UserError as error:
            assert error.code.startswith("model_")


@pytest.mark.parametrize("content", [b"", b"hello", b"GGML" + bytes(100), b"PK\x03\x04" + bytes(100)])
def test_other_files_are_no_model(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    with pytest.raises(UserError, match="model_not_gguf"):
        read_header(path)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.gguf", tmp_path):
        with pytest.raises(UserError, match="model_missing"):
            read_header(path)


def test_unused_bytes_at_the_end_do_no_harm(tiny: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer.gguf"
    shutil.copy(tiny, longer)
    with longer.open("ab") as file:
        file.write(b"\0" * 100)
    assert read_header(longer).architecture == "llama"
