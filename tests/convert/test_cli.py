import json
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.halted import DEEP, start_and_stop_midway
from support.llama_judge import read_tensors
from support.tiny_model import Shape, write_adapter, write_checkpoint, write_safetensors

from convert.checkpoint import open_folder

Command = Callable[..., int]
Refused = Callable[..., str]


def edit_config(folder: Path, name: str = "config.json", **fields: object) -> None:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def edit_weights(folder: Path, name: str, values: object) -> None:
    """Replace one tensor, or drop it when `values` is None."""
    weights = {key: open_folder(folder).read(key).copy() for key in open_folder(folder).tensors}
    weights.pop(name, None)
    added = {} if values is None else {name: np.asarray(values, np.float32)}
    write_safetensors(folder / "model.safetensors", weights | added, "F32")


def test_what_was_written_is_told_on_stdout_alone(
    base: Path, adapter: Path, out: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command("gguf", base, "--adapter", adapter, "--type", "Q4_0", "--out", out) == 0
    output, errors = capfd.readouterr()
    size = f"{out.stat().st_size / 1e6:.1f} MB"
    first, second = output.splitlines()
    assert first == f"Wrote {out} ({size}): 21 tensors (5 F32, 15 Q4_0, 1 Q8_0); adapter merged into 14."
    assert re.fullmatch(r"Change by calm, by layer: 0 \d+\.\d+, 1 \d+\.\d+\.", second)
    assert errors == ""
    assert list(out.parent.iterdir()) == [out]


def test_progress_can_be_read_by_a_program(
    base: Path, out: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command("gguf", base, "--type", "F16", "--out", out, "--progress", "json") == 0
    events = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert events[0]["event"] == "started"
    assert sorted(event["tensor"] for event in events[1:-1]) == sorted(read_tensors(out))
    assert events[-1]["event"] == "checking"
    assert events[-1]["done"] == events[-1]["total"] == sum(len(d) for _, _, d in read_tensors(out).values())


def test_both_ways_to_call_it_are_the_same_program(base: Path, out: Path, module: list[str]) -> None:
    arguments = ["gguf", str(base), "--type", "F32", "--out", str(out)]
    script = str(Path(sys.executable).with_name("quietroom-convert"))
    for program in (module, [script]) if Path(script).exists() else (module,):
        subprocess.run([*program, *arguments, "--overwrite"], check=True, capture_output=True)
        assert out.exists()
        again = subprocess.run([*program, *arguments], check=False, capture_output=True, text=True)
        assert (again.returncode, again.stdout) == (2, "")
        assert again.stderr == f"{out} exists already; add --overwrite to replace it.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "VERB"),
        (["sing"], "sing"),
        (["gguf"], "BASE"),
        (["gguf", "x", "--type", "Q9_9", "--out", "y"], "Q9_9"),
        (["gguf", "x", "--type", "F32", "--out", "y", "--threads", "0"], "from 1 to 1024"),
        (["gguf", "x", "--type", "F32", "--out", "y", "--progress", "loud"], "loud"),
    ],
)
def test_a_wrong_command_is_one_sentence(
    arguments: list[str], words: str, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments) == 2
    output, errors = capfd.readouterr()
    assert output == ""
    assert errors.count("\n") == 1
    assert words in errors


def test_an_existing_file_is_kept_unless_told_otherwise(
    base: Path, out: Path, refused: Refused, command: Command
) -> None:
    out.write_text("precious")
    assert "--overwrite" in refused(base, left=1)
    assert out.read_text() == "precious"
    assert command("gguf", base, "--type", "F32", "--out", out, "--overwrite") == 0
    assert len(read_tensors(out)) == 21


def test_an_existing_file_outlives_a_conversion_that_fails(own_base: Path, out: Path, refused: Refused) -> None:
    edit_weights(own_base, "model.norm.weight", np.full(64, np.nan))
    out.write_text("precious")
    assert "output_norm.weight" in refused(own_base, "--overwrite", left=1)
    assert out.read_text() == "precious"


def test_the_model_itself_is_never_overwritten(own_base: Path, refused: Refused) -> None:
    target = own_base / "model.safetensors"
    before = target.read_bytes()
    assert "choose another name" in refused(own_base, "--overwrite", target=target)
    assert target.read_bytes() == before


@pytest.mark.parametrize(
    ("target", "words"), [("no/model.gguf", "does not exist"), ("", "is a folder"), ("file/x.gguf", "does not exist")]
)
def test_a_place_where_no_file_can_be_is_refused(
    base: Path, out: Path, target: str, words: str, refused: Refused
) -> None:
    (out.parent.parent / "file").write_text("a file")
    assert words in refused(base, target=out.parent.parent / target)


def test_the_bases_faults_are_told(own_base: Path, refused: Refused) -> None:
    assert "not a folder" in refused(own_base / "nowhere")
    (own_base / "config.json").write_text("{")
    assert "not valid JSON" in refused(own_base)
    (own_base / "config.json").write_text("[]")
    assert "JSON object" in refused(own_base)
    (own_base / "config.json").unlink()
    assert "config.json is missing" in refused(own_base)
    (own_base / "model.safetensors").write_bytes(b"short")
    assert "cut short" in refused(own_base)


def test_an_unknown_architecture_is_named(own_base: Path, refused: Refused) -> None:
    edit_config(own_base, architectures=["MambaForCausalLM"])
    assert "MambaForCausalLM" in refused(own_base)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("model.layers.1.mlp.up_proj.weight", None, "lacks tensors"),
        ("lm_head.weight", None, "lacks tensors"),
        ("model.layers.2.mlp.up_proj.weight", np.zeros((96, 64)), "does not know"),
        ("model.layers.1.mlp.up_proj.weight", np.zeros((64, 96)), "64 x 96"),
        ("model.norm.weight", np.zeros(63), "63"),
    ],
)
def test_a_tensor_that_does_not_belong_is_named(
    own_base: Path, name: str, values: object, words: str, refused: Refused
) -> None:
    edit_weights(own_base, name, values)
    sentence = refused(own_base)
    assert name in sentence
    assert words in sentence


def test_a_name_made_to_confuse_is_shown_in_one_line(own_base: Path, refused: Refused) -> None:
    edit_weights(own_base, "evil\n\x1b[2Jname\ud800", np.zeros(1))
    assert "evil??[2Jname?" in refused(own_base)


def test_a_text_that_is_no_unicode_is_refused(own_base: Path, refused: Refused) -> None:
    edit_config(own_base, "tokenizer_config.json", chat_template="\ud800")
    assert "not Unicode" in refused(own_base)


def test_a_dtype_that_is_no_float_is_refused(own_base: Path, refused: Refused) -> None:
    weights = {name: open_folder(own_base).read(name).copy() for name in open_folder(own_base).tensors}
    stored = {name: values.astype(np.int32) for name, values in weights.items()}
    write_safetensors(own_base / "model.safetensors", stored, "I32")
    assert "I32" in refused(own_base)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("recipe", ["F32", "Q4_0"])
def test_a_value_that_is_no_number_is_refused_by_name(
    own_base: Path, value: float, recipe: str, refused: Refused
) -> None:
    values = np.zeros((64, 96))
    values[63, 95] = value
    edit_weights(own_base, "model.layers.1.mlp.down_proj.weight", values)
    assert "blk.1.ffn_down.weight" in refused(own_base, recipe=recipe)


def test_leftovers_of_old_checkpoints_are_let_through(own_base: Path, out: Path, command: Command) -> None:
    edit_weights(own_base, "model.layers.0.self_attn.rotary_emb.inv_freq", np.zeros(8))
    assert command("gguf", own_base, "--type", "F32", "--out", out) == 0


def test_missing_and_contradicting_shards_are_named(tmp_path: Path, refused: Refused) -> None:
    write_checkpoint(tmp_path / "sharded", shards=3)
    index = tmp_path / "sharded" / "model.safetensors.index.json"
    text = index.read_text()
    edit_config(index.parent, index.name, weight_map=json.loads(text)["weight_map"] | {
        "ghost.weight": "model-00001-of-00003.safetensors"
    })  # fmt: skip
    assert "ghost.weight" in refused(tmp_path / "sharded")
    index.write_text(text)
    (tmp_path / "sharded" / "model-00003-of-00003.safetensors").unlink()
    assert "model-00003-of-00003" in refused(tmp_path / "sharded")


def test_a_pickle_is_never_opened(own_base: Path, own_adapter: Path, tmp_path: Path, refused: Refused) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return open, (str(tmp_path / "opened"), "w")

    (own_adapter / "adapter_model.safetensors").unlink()
    (own_adapter / "adapter_model.bin").write_bytes(pickle.dumps(Trap()))
    assert "pickle" in refused(own_base, "--adapter", own_adapter)
    (own_base / "model.safetensors").unlink()
    (own_base / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    assert "pickle" in refused(own_base)
    assert not (tmp_path / "opened").exists()


def test_the_adapters_faults_are_told(own_base: Path, own_adapter: Path, tmp_path: Path, refused: Refused) -> None:
    assert "not a folder" in refused(own_base, "--adapter", own_adapter / "nowhere")
    edit_config(own_adapter, "adapter_config.json", use_dora=True)
    assert "DoRA" in refused(own_base, "--adapter", own_adapter)
    write_adapter(tmp_path / "wide", Shape(width=128))
    assert "does not fit the base" in refused(own_base, "--adapter", tmp_path / "wide")
    write_adapter(tmp_path / "deep", Shape(layers=3))
    assert "fit nothing in the base" in refused(own_base, "--adapter", tmp_path / "deep")
    (tmp_path / "deep" / "adapter_model.safetensors").unlink()
    assert "adapter_model.safetensors is missing" in refused(own_base, "--adapter", tmp_path / "deep")
    (tmp_path / "deep" / "adapter_config.json").unlink()
    assert "adapter_config.json is missing" in refused(own_base, "--adapter", tmp_path / "deep")


@pytest.mark.parametrize("factor", ["A", "B"])
def test_an_adapter_with_no_numbers_is_refused(
    own_base: Path, own_adapter: Path, factor: str, refused: Refused
) -> None:
    path = own_adapter / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    entry = header[f"base_model.model.model.layers.0.mlp.up_proj.lora_{factor}.weight"]
    start = len(data) - max(item["data_offsets"][1] for key, item in header.items() if key != "__metadata__")
    first = start + entry["data_offsets"][0]
    data[first : first + 4] = np.float32(np.inf).tobytes()
    path.write_bytes(data)
    assert f"layers.0.mlp.up_proj.lora_{factor}.weight" in refused(own_base, "--adapter", own_adapter)


def test_a_tokenizer_that_is_missing_or_too_large_is_told(own_base: Path, refused: Refused) -> None:
    embedding = open_folder(own_base).read("model.embed_tokens.weight")[:300].copy()
    edit_weights(own_base, "model.embed_tokens.weight", embedding)
    head = open_folder(own_base).read("lm_head.weight")[:300].copy()
    edit_weights(own_base, "lm_head.weight", head)
    assert "rows for 300" in refused(own_base)
    (own_base / "tokenizer.json").unlink()
    assert "tokenizer.model" in refused(own_base)


def test_a_head_of_another_size_than_the_embedding_is_refused(own_base: Path, refused: Refused) -> None:
    edit_weights(own_base, "lm_head.weight", np.zeros((400, 64)))
    assert "400 x 64" in refused(own_base)


# What needs a disk of its own runs in another process, which alone sees that disk.


def convert_on(disk: list[str], size: str, folder: Path, base: Path, prepare: str = "true") -> tuple[int, list[str]]:
    """Convert onto a small disk mounted at `folder`; return the exit code and stderr, the files left at its end."""
    script = f'{prepare} && "$@"; code=$?; ls -A "$OUT" >&2; exit $code'
    target = ["gguf", str(base), "--type", "F32", "--out", str(folder / "model.gguf")]
    run = subprocess.run(
        [*disk, size, str(folder), "sh", "-c", script, "sh", sys.executable, "-m", "convert", *target],
        check=False, capture_output=True, text=True, env={**os.environ, "OUT": str(folder)},
    )  # fmt: skip
    return run.returncode, run.stderr.splitlines()


def test_too_small_a_disk_is_told_before_the_first_byte(base: Path, out: Path, tmpfs: list[str]) -> None:
    code, lines = convert_on(tmpfs, "200k", out.parent, base)
    assert code == 2
    assert len(lines) == 1
    assert "its disk has only 0.2 MB free" in lines[0]
    assert convert_on(tmpfs, "4m", out.parent, base) == (0, ["model.gguf"])


def test_a_read_only_disk_is_told(base: Path, out: Path, tmpfs: list[str]) -> None:
    code, lines = convert_on(tmpfs, "4m", out.parent, base, prepare='mount -o remount,ro "$OUT"')
    assert (code, len(lines)) == (2, 1)
    assert "not writable" in lines[0]


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deep") / "deep"
    write_checkpoint(folder, DEEP)
    return folder


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_conversion_stopped_midway_leaves_no_file(
    module: list[str], deep: Path, out: Path, number: signal.Signals, code: int, command: Command
) -> None:
    out.write_text("precious")
    process, _ = start_and_stop_midway(module, deep, out)
    part = out.with_name("model.gguf.part")
    assert part.exists()
    process.send_signal(number)
    output, errors = process.communicate()
    assert process.returncode == code
    assert output == b""
    assert b"Traceback" not in errors
    assert out.read_text() == "precious"
    assert part.exists() == (number == signal.SIGKILL)
    # A later run takes no notice of what the killed one left.
    assert command("gguf", deep, "--type", "F32", "--out", out, "--overwrite") == 0
    assert len(read_tensors(out)) == 363
    assert list(out.parent.iterdir()) == [out]


FILL_UP = """
import fcntl, subprocess, sys
from pathlib import Path
out, program = Path(sys.argv[1]), sys.argv[2:]
process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
while b'"wrote"' not in process.stderr.readline():
    pass
try:
    with (out / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
except OSError:
    pass
_, errors = process.communicate()
lines = [line for line in errors.decode().splitlines() if not line.startswith("{")]
print(process.returncode, sorted(path.name for path in out.iterdir()), lines)
"""


def test_a_disk_that_fills_up_midway_is_told_and_leaves_nothing(
    module: list[str], deep: Path, out: Path, tmpfs: list[str]
) -> None:
    target = ["gguf", str(deep), "--type", "F32", "--out", str(out), "--progress", "json"]
    run = subprocess.run(
        [*tmpfs, "8m", str(out.parent), sys.executable, "-c", FILL_UP, str(out.parent), *module, *target],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    sentence = f"There was no room left on the disk for {out}; nothing was kept."
    assert run.stdout == f"2 ['filler'] {[sentence]}\n"
