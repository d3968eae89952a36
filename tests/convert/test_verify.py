import hashlib
import signal
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from support.llama_judge import read_tensors
from support.tiny_model import Shape, write_checkpoint

from convert.gguf_in import read_gguf
from convert.provenance import TENSOR_HASHES

Command = Callable[..., int]
Told = Callable[..., str]


@pytest.fixture
def model(base: Path, tmp_path: Path, command: Command) -> Path:
    path = tmp_path / "model.gguf"
    assert command("gguf", base, "--type", "Q4_K_M", "--out", path) == 0
    return path


@pytest.fixture
def told(command: Command, capfd: pytest.CaptureFixture[str]) -> Told:
    """Run `verify` and return its one line, from stdout when all is well and from stderr otherwise."""

    def check(code: int, *arguments: object) -> str:
        capfd.readouterr()
        assert command("verify", *arguments, "--threads", 1, "--progress", "none") == code
        lines = capfd.readouterr()
        assert lines[code == 0] == ""
        assert lines[code != 0].count("\n") == 1
        return lines[code != 0]

    return check


def with_hashes(path: Path, out: Path, hashes: list[str]) -> Path:
    """Write the file at `path` again, by the gguf package, with the checksums of its tensors."""
    reader = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(out, "llama")
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            sub = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(key, field.contents(), field.types[0], sub)
    writer.add_array(TENSOR_HASHES, hashes)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    return out


def hashes(path: Path) -> list[str]:
    return [hashlib.sha256(data).hexdigest() for _, _, data in read_tensors(path).values()]


def without_hashes(name: str, old: object) -> object:
    return None if name == TENSOR_HASHES else old


def test_a_sound_file_is_loaded_and_answers(model: Path, told: Told) -> None:
    line = told(0, model)
    assert "21 tensors" in line
    assert "all 21 checksums are right" in line
    assert "llama.cpp loads it and writes" in line
    rewritten(model, without_hashes)
    assert "no checksums" in told(0, model)


def test_a_bit_flipped_anywhere_in_the_data_is_found_by_the_checksums(model: Path, tmp_path: Path, told: Told) -> None:
    path = with_hashes(model, tmp_path / "hashed.gguf", hashes(model))
    assert "all 21 checksums are right" in told(0, path)
    whole = path.read_bytes()
    for tensor in list(read_gguf(path).tensors.values())[::4]:
        data = bytearray(whole)
        data[tensor.offset + tensor.size // 2] ^= 4
        path.write_bytes(data)
        assert f"{tensor.name} is not as it was written" in told(2, path)
    assert "list of checksums" in told(2, with_hashes(model, tmp_path / "few.gguf", hashes(model)[:-1]))


@pytest.mark.parametrize("name", ["output_norm.weight", "blk.0.attn_v.weight", "token_embd.weight"])
def test_a_value_that_is_no_number_is_found_without_checksums(model: Path, name: str, told: Told) -> None:
    rewritten(model, without_hashes)
    tensor = read_gguf(model).tensors[name]
    data = bytearray(model.read_bytes())
    # The upper byte of a float32, or of the scale that each block begins with.
    data[tensor.offset + (3 if tensor.type.name == "F32" else 1)] = 0x7F
    data[tensor.offset + (2 if tensor.type.name == "F32" else 0)] |= 0x80
    model.write_bytes(data)
    assert f"{name} holds values that are no numbers" in told(2, model)


def rewritten(path: Path, change: Callable[[str, object], object]) -> None:
    """Write the file anew with its settings put through `change`; None leaves one out."""
    reader = gguf.GGUFReader(path)
    fields = {
        key: (field.contents(), field.types) for key, field in reader.fields.items() if not key.startswith("GGUF.")
    }
    tensors = [(t.name, np.array(t.data), t.tensor_type) for t in reader.tensors]
    writer = gguf.GGUFWriter(path, "x")
    writer.kv_data[0].clear()
    for key, (value, types) in fields.items():
        new = change(key, value)
        if new is not None:
            writer.add_key_value(key, new, types[0], types[-1] if len(types) > 1 else None)
    for name, data, kind in tensors:
        if change(name, data) is not None:
            writer.add_tensor(name, data, raw_dtype=kind)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("general.architecture", None, "does not say that it holds a model"),
        ("general.type", "adapter", "of the kind adapter"),
        ("llama.block_count", 0, "describes 0 layers and holds 2"),
        ("llama.block_count", 3, "lacks all of the layers 2"),
        ("token_embd.weight", None, "no token_embd.weight"),
        ("tokenizer.ggml.tokens", ["a", "b"], "2 tokens for 399 embeddings"),
        ("blk.1.ffn_up.weight", None, "llama.cpp does not load"),
        ("general.architecture", "nonsense", "describes 0 layers"),
        ("llama.attention.head_count", 7, "llama.cpp"),
    ],
)
def test_a_model_that_is_not_all_there_is_told(model: Path, key: str, value: object, words: str, told: Told) -> None:
    rewritten(model, lambda name, old: value if name == key else without_hashes(name, old))
    assert words in told(2, model)


def test_a_child_that_is_killed_is_told(
    model: Path, told: Told, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # llama.cpp ends the whole process where it meets what it cannot stand: so does this stand-in for a Python.
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nkill -{signal.SIGABRT.value} $$\n")
    script.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(script))
    assert f"ended with code {-signal.SIGABRT.value}" in told(2, model)


def test_made_again_from_its_base_it_is_the_same_or_not(
    base: Path, adapter: Path, model: Path, tmp_path: Path, told: Told
) -> None:
    assert "all 21 tensors are the same" in told(0, model, "--against", base)
    line = told(2, model, "--against", base, "--adapter", adapter)
    assert "differs from the model it is compared with in 14 of 21 tensors: blk.0.attn_q.weight" in line
    assert "ffn_up" in told(2, model, "--against", base, "--tensor-type", "1.ffn_up=Q8_0")
    write_checkpoint(tmp_path / "deep", Shape(layers=3))
    assert "other tensors" in told(2, model, "--against", tmp_path / "deep")
    rewritten(model, lambda name, old: "changed" if name == "tokenizer.chat_template" else old)
    assert "describes the model otherwise" in told(2, model, "--against", base)
    rewritten(model, lambda name, old: None if name == "general.file_type" else old)
    assert "does not say of which type" in told(2, model, "--against", base)
