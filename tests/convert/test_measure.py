import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray
from support.llama_judge import Llama
from support.tiny_model import ALPHA, RANK, Shape, tiny_gguf, write_adapter, write_checkpoint, write_safetensors

from convert.measure import Request, measure
from convert.plot import Point, draw, steps
from convert.progress import Silent
from convert.quality import Tally, estimate, log_probabilities

Command = Callable[..., int]
DATA = Path(__file__).parent.parent / "data"
LICENSE = DATA.parent.parent / "LICENSE"
TOOLS = json.loads((DATA / "llama_tools.json").read_text())
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: tiny_gguf(folder / f"{kind}.gguf", kind) for kind in ("F32", "F16", "Q4_0")}


def test_it_agrees_with_llama_cpps_own_tool(
    models: dict[str, Path], tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    out, plot = tmp_path / "m.json", tmp_path / "m.svg"
    arguments = (models["Q4_0"], models["F16"], models["F32"], "--reference", models["F32"])
    written = ("--json", out, "--plot", plot)
    assert (
        command("measure", *arguments, *written, "--threads", 1, "--text", LICENSE, "--context", TOOLS["context"]) == 0
    )
    output, errors = capfd.readouterr()
    found = json.loads(out.read_text())
    assert found["text"] == {"name": "LICENSE", "sha256": TOOLS["text_sha256"]}
    assert (found["chunks"], found["scored_tokens"]) == (69, 69 * 63)
    rows = {row["type"]: row for row in found["files"]}
    for kind, (value, error) in TOOLS["perplexity"].items():
        # Far within the error that the tool states: it reads several chunks at a time, which changes last digits.
        assert rows[kind]["perplexity"]["value"] == pytest.approx(value, rel=1e-4)
        assert rows[kind]["perplexity"]["error"] == pytest.approx(error, rel=1e-3)
    expected = TOOLS["Q4_0 against F32"]
    assert rows["Q4_0"]["divergence"]["value"] == pytest.approx(
        expected["divergence"][0], abs=expected["divergence"][1]
    )
    assert rows["Q4_0"]["same_top"]["value"] == pytest.approx(expected["same_top"][0] / 100, abs=0.002)
    ratio = rows["Q4_0"]["perplexity"]["value"] / rows["F32"]["perplexity"]["value"]
    assert rows["Q4_0"]["ratio"]["value"] == pytest.approx(ratio)
    # Against itself nothing is off, not even by a rounding.
    itself = {key: rows["F32"][key] for key in ("ratio", "divergence", "divergence_largest", "same_top")}
    nothing = {"value": 0.0, "error": 0.0}
    one = {"value": 1.0, "error": 0.0}
    assert itself == {"ratio": one, "divergence": nothing, "divergence_largest": 0.0, "same_top": one}
    assert all(row["tokens_read_per_second"] > 0 < row["tokens_written_per_second"] for row in rows.values())
    assert rows["Q4_0"]["bytes"] == models["Q4_0"].stat().st_size
    assert errors == ""
    lines = output.splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["F32.gguf", "F32"], ["Q4_0.gguf", "Q4_0"], ["F16.gguf", "F16"], ["F32.gguf", "F32"]
    ]  # fmt: skip
    assert "1.0000 ± 0.0000  0.00000 ± 0.00000  100.00%" in lines[4]
    assert lines[5] == "4,347 tokens of LICENSE, 69 chunks of 128."
    drawn = ET.fromstring(plot.read_text())
    assert [group.findtext(f"{SVG}text") for group in drawn.iter(f"{SVG}g")] == ["Q4_0", "F16", "F32 (0)"]


def test_the_logits_are_those_of_the_whole_text(models: dict[str, Path], tmp_path: Path, llama: Llama) -> None:
    """The figures by hand: logits from llama-cpp-python's own class, then the textbook's formulas."""
    text = tmp_path / "text.txt"
    text.write_text(LICENSE.read_text()[1000:1300])
    measured = measure(Request((models["Q4_0"],), models["F32"], text, 1, context=32), Silent())
    tokens = llama.tokenize(models["F32"], [text.read_text()])[0]
    losses, divergences = [], []
    for start in range(0, len(tokens) - 31, 32):
        chunk = tokens[start : start + 32]
        own, theirs = (llama.logits(models[kind], chunk)[16:31].astype(np.float64) for kind in ("Q4_0", "F32"))
        p, q = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in (theirs, own))
        losses += [-np.log(q[place, token]) for place, token in enumerate(chunk[17:])]
        divergences += list((p * np.log(p / q)).sum(axis=1))
    agreement = measured.files[0].agreement
    assert agreement
    # llama.cpp's last digits depend on how many logits are asked for at once.
    assert measured.files[0].perplexity.value == pytest.approx(np.exp(np.mean(losses)), rel=1e-3)
    assert agreement.divergence.value == pytest.approx(np.mean(divergences), rel=2e-2)
    assert agreement.divergence_largest == pytest.approx(max(divergences), rel=2e-2)


def write_adapter_gguf(path: Path, factors: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]) -> Path:
    """Write factors (A, B) by GGUF name as an adapter that llama.cpp loads."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", ALPHA)
    for name, (a, b) in factors.items():
        writer.add_tensor(f"{name}.lora_a", a)
        writer.add_tensor(f"{name}.lora_b", b)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    return path


def test_a_merged_adapter_equals_the_same_one_unmerged(
    models: dict[str, Path], tmp_path: Path, command: Command
) -> None:
    factors = write_adapter(tmp_path / "adapter")
    kept = {f"model.layers.{layer}.mlp.up_proj.weight": f"blk.{layer}.ffn_up.weight" for layer in (0, 1)}
    adapter = write_adapter_gguf(tmp_path / "a.gguf", {new: factors[old] for old, new in kept.items()})
    weights = write_checkpoint(tmp_path / "base")
    for name in kept:
        a, b = factors[name]
        weights[name] = weights[name] + np.float32(ALPHA / RANK) * (b @ a)
    write_safetensors(tmp_path / "base" / "model.safetensors", weights, "F32")
    merged = tmp_path / "merged.gguf"
    assert command("gguf", tmp_path / "base", "--type", "F32", "--out", merged) == 0
    files = (merged, models["F32"])
    request = Request(files, models["F32"], LICENSE, 1, context=64, most=4, adapter=adapter)
    same, other = (row.agreement for row in measure(request, Silent()).files)
    assert same
    assert other
    assert same.divergence.value < 1e-6 < 1e-3 < other.divergence.value


def test_either_base_of_a_qlora_adapter_is_measured_against_what_the_training_saw(
    tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    """One table: base as it is + adapter, and NF4 base + adapter, against the NF4 base with the adapter unmerged."""
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    write_checkpoint(base, dtype="BF16")
    write_adapter(adapter)
    merged = ("--type", "F32", "--adapter", adapter, "--out")
    as_is, rounded, seen = (tmp_path / f"{name}.gguf" for name in ("as-is", "rounded", "seen"))
    assert command("gguf", base, *merged, as_is) == 0
    assert command("gguf", base, *merged, rounded, "--base-precision", "nf4") == 0
    assert command("gguf", base, "--type", "F32", "--base-precision", "nf4", "--out", seen) == 0
    assert command("adapter", base, adapter, "--out", tmp_path / "a.gguf") == 0
    capfd.readouterr()
    text = ("--text", LICENSE, "--context", 64, "--chunks", 4, "--threads", 1, "--json", tmp_path / "m.json")
    reference = ("--reference", seen, "--reference-adapter", tmp_path / "a.gguf")
    assert command("measure", as_is, rounded, *reference, *text) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[:4]] == [
        ["file", "type", "base"],
        ["seen.gguf", "F32", "nf4"],
        ["as-is.gguf", "F32", "as-is"],
        ["rounded.gguf", "F32", "nf4"],
    ]
    assert lines[4].endswith("The reference is seen.gguf with a.gguf added unmerged.")
    found = json.loads((tmp_path / "m.json").read_text())
    far, near = (row["divergence"]["value"] for row in found["files"])
    assert near < 1e-6 < 1e-4 < far
    assert [row["base_precision"] for row in found["files"]] == ["as-is", "nf4"]


def test_an_adapter_needs_a_reference_that_it_fits(
    models: dict[str, Path], tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    wide = np.zeros((4, 32), np.float32)
    adapter = write_adapter_gguf(tmp_path / "a.gguf", {"blk.0.ffn_up.weight": (wide, wide.T.copy())})
    arguments = ("measure", models["F32"], "--text", LICENSE, "--reference-adapter", adapter)
    assert command(*arguments) == 2
    assert "needs a --reference" in capfd.readouterr().err
    assert command(*arguments, "--reference", models["F32"]) == 2
    errors = capfd.readouterr().err
    assert f"does not add the adapter {adapter}" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--context", 8192), "16384 are needed"),
        (("--reference", "nowhere.gguf"), "nowhere.gguf is missing"),
        (("--json", "no/m.json"), "in a folder that exists"),
        (("--text", "nowhere.txt"), "cannot be read"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    arguments: tuple[object, ...],
    words: str,
    models: dict[str, Path],
    command: Command,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert command("measure", models["F32"], "--threads", 1, "--text", LICENSE, *arguments) == 2
    output, errors = capfd.readouterr()
    assert output == ""
    assert errors.count("\n") == 1
    assert words in errors


def test_files_that_do_not_belong_together_are_refused(
    models: dict[str, Path], tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    other = tiny_gguf(tmp_path / "other.gguf", "F32", Shape(layers=1, tokenizer="sentencepiece"))
    assert (
        command("measure", models["F32"], "--reference", other, "--threads", 1, "--text", LICENSE, "--context", 32) == 2
    )
    assert f"{other} cuts the text into other tokens" in capfd.readouterr().err


def test_every_digit_counts_and_none_is_lost_to_large_logits() -> None:
    logits = np.array([[1000.0, 999.0, -1000.0], [0.0, 0.0, 0.0]], np.float32)
    tally = Tally()
    tally.add(logits, [0, 2], logits)
    first = np.log1p(np.exp(-1.0))
    np.testing.assert_allclose(tally.losses, [first, np.log(3)], rtol=1e-12)
    assert tally.agreement(tally).divergence.value == 0.0
    np.testing.assert_allclose(np.exp(log_probabilities(logits)).sum(axis=1), 1, rtol=1e-15)
    # The tool's error of a mean: mean square less squared mean, over one value less than there are.
    assert estimate(np.array([1.0, 2.0, 6.0])).error == pytest.approx(np.sqrt((41 / 3 - 9) / 2))


def test_a_plot_shows_each_point_where_it_belongs() -> None:
    points = [Point("Q2 <K>", 2800, 0.109), Point("Q4_K_M", 4080, 0.0127), Point("F16 & co", 13500, 0.0)]
    drawn = ET.fromstring(draw("Quality <against> size", "MB", "nats", points))
    groups = list(drawn.iter(f"{SVG}g"))
    assert [group.findtext(f"{SVG}text") for group in groups] == ["Q2 <K>", "Q4_K_M", "F16 & co (0)"]
    places = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in drawn.iter(f"{SVG}circle")]
    assert places == sorted(places)  # larger files further right, better ones further down
    assert all(0 < x < 720 and 0 < y < 440 for x, y in places)
    assert steps(13500) == [0, 5000, 10000]
    assert len(list(ET.fromstring(draw("t", "a", "b", [Point("only", 1, 0)])).iter(f"{SVG}circle"))) == 1
