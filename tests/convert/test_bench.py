import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.llama_judge import read_metadata

from convert.bench.checkpoint import SHAPES, write_adapter, write_checkpoint
from convert.bench.process import Cost, measure
from convert.bench.table import in_turns, middle, ratio
from convert.errors import ConvertError
from convert.pipeline import Report

Command = Callable[..., int]


def test_the_checkpoint_and_its_adapter_are_of_7bs_kind(
    tmp_path: Path, out: Path, convert: Callable[..., Report]
) -> None:
    write_checkpoint(tmp_path / "base", SHAPES["tiny"], 2)
    write_adapter(tmp_path / "adapter", SHAPES["tiny"], 2)
    report = convert(tmp_path / "base", "Q4_0", adapter=tmp_path / "adapter")
    assert (sum(report.types.values()), report.merged) == (21, 14)
    metadata = read_metadata(out)
    tokens = metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, list)
    assert (len(tokens), tokens[:3], metadata["tokenizer.ggml.model"]) == (300, ["<unk>", "<s>", "</s>"], "llama")


def test_it_runs_from_end_to_end_and_leaves_its_figures_alone(
    tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, report = tmp_path / "bench", tmp_path / "bench.json"
    arguments = ("--shape", "tiny", "--layers", 1, "--pairs", 2, "--threads", 1, "--folder", folder, "--json", report)
    assert command("bench", *arguments) == 0
    output, errors = capfd.readouterr()
    assert errors == ""
    assert "Shape tiny with 1 of 2 layers" in output
    assert "llama-cpp-python" in output
    assert "Medians of 2 runs" in output
    assert output.count("not measured (see --reference-env)") == 3
    assert not folder.exists()
    figures = json.loads(report.read_text())
    names = {"about", "shape"}
    numbers = {name: value for name, value in figures.items() if name not in names}
    missing = {name for name, value in numbers.items() if value is None}
    assert missing == {f"three_steps_{part}_ratio" for part in ("seconds", "written", "memory")}
    assert all(isinstance(value, int | float) for name, value in numbers.items() if name not in missing)
    positive = {name for name in numbers if name.endswith(("time_ratio", "_seconds", "_memory", "_processor"))}
    assert len(positive) == 5 + 8 * 3
    assert all(numbers[name] > 0 for name in positive)
    assert (numbers["layers"], numbers["threads"], numbers["pairs"]) == (1, 1, 2)


def test_the_median_is_of_runs_that_followed_each_other() -> None:
    said: list[str] = []

    def run(name: str, seconds: list[float]) -> Callable[[], Cost]:
        def go() -> Cost:
            said.append(name)
            return Cost(seconds.pop(0), 1, 1, 1)

        return go

    # A machine that grows slower: the ratios stay what they are.
    ours, theirs = in_turns(3, run("ours", [2, 40, 600]), run("theirs", [1, 10, 200]))
    assert said == ["ours", "theirs"] * 3
    assert ratio(ours, theirs, "seconds") == 3
    assert (middle(ours).seconds, middle(ours[:2]).seconds) == (40, 2)


def test_a_process_is_measured_by_the_kernel(tmp_path: Path) -> None:
    large = f"data = bytearray(b'x') * 200_000_000; open({str(tmp_path / 'f')!r}, 'wb').write(data[:20_000_000])"
    # From a small process, as bench is one: a child is charged with its parent's memory until it becomes itself.
    asked = "import sys; from convert.bench.process import measure; print(measure([sys.executable, '-c', '']).memory)"
    small = int(subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True).stdout)
    cost = measure([sys.executable, "-c", large])
    assert small < 200_000_000 < cost.memory
    assert cost.processor > 0
    assert cost.written == 0 or 20_000_000 <= cost.written < 21_000_000  # a disk in memory counts nothing


def test_steps_add_up_and_the_largest_memory_counts() -> None:
    assert Cost(1, 2, 30, 4) + Cost(10, 20, 3, 40) == Cost(11, 22, 30, 44)
    assert Cost(2, 3, 0, 0).cores == 1.5


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(ConvertError, match="failed with code 3: so it is"):
        measure([sys.executable, "-c", "import sys; print('so it is', file=sys.stderr); sys.exit(3)"])


def test_what_bench_would_destroy_or_cannot_use_is_refused(
    tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command("bench", "--folder", tmp_path) == 2
    assert "exists already" in capfd.readouterr().err
    assert command("bench", "--folder", tmp_path / "new", "--reference-env", tmp_path) == 2
    assert "make bench-reference" in capfd.readouterr().err
    assert not (tmp_path / "new").exists()
