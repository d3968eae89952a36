"""The table of `bench`: every ratio measured in one run, one process after the other; never a figure from elsewhere."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from convert.bench.checkpoint import SHAPES
from convert.bench.process import Cost, measure
from convert.errors import ConvertError
from convert.provenance import versions
from convert.quant.recipes import RECIPES

NOT_MEASURED = "not measured (see --reference-env)"
CHILD = (sys.executable, "-m", "convert.bench.child")
MAIN_RECIPE = "Q4_K_M" if "Q4_K_M" in RECIPES else "Q4_0"


@dataclass(frozen=True)
class Row:
    """One line: its name for programs, what is compared, the ratio of the two or None, and what is aimed at."""

    key: str
    work: str
    value: float | None
    unit: str
    aim: str


@dataclass(frozen=True)
class Bench:
    """Where the files lie, the size of the model, and how often each thing is measured."""

    folder: Path
    shape: str
    layers: int
    threads: int
    pairs: int
    reference: Path | None

    def ours(self, recipe: str, *, adapter: bool = True) -> Cost:
        """Convert, and return what it took."""
        merge = ["--adapter", self.folder / "adapter"] if adapter else []
        target = ["--type", recipe, "--out", self.out(recipe), "--overwrite", "--progress", "none"]
        program = [sys.executable, "-m", "convert", "gguf", self.folder / "base"]
        return measure([*program, *merge, *target, "--threads", self.threads])

    def out(self, recipe: str) -> Path:
        """Where our file of a type goes."""
        return self.folder / f"{recipe}.gguf"

    def copy(self, recipe: str) -> Cost:
        """Copy our file, sync and hash the copy."""
        cost = measure([*CHILD, "copy", self.out(recipe), self.folder / "copy"])
        (self.folder / "copy").unlink()
        return cost

    def quantizer(self, source: Path) -> Cost:
        """Let llama.cpp's quantizer make the main type from a ready F16 file."""
        number = RECIPES[MAIN_RECIPE].file_type
        return measure([*CHILD, "quantize", source, self.folder / "theirs.gguf", number, self.threads])

    def encoder(self, type_name: str) -> Cost:
        """Run the encoder alone over as many values."""
        return measure([*CHILD, "encode", type_name, SHAPES[self.shape].values(self.layers), self.threads])

    def three_steps(self) -> Cost | None:
        """Merge with PEFT, convert with llama.cpp's converter, quantize; None without a reference environment."""
        if self.reference is None:
            return None
        program = [self.reference / "bin" / "python", self.reference / "three_steps.py"]
        merged, whole = self.folder / "merged", self.folder / "merged.gguf"
        cost = measure([*program, "merge", self.folder / "base", self.folder / "adapter", merged])
        cost += measure([*program, "convert", merged, whole])
        shutil.rmtree(merged)
        return cost + self.quantizer(whole)


def run_bench(bench: Bench, report: Path | None) -> Iterator[str]:
    """Yield the table's lines as they become known; everything is removed from the folder at the end."""
    folder, reference = bench.folder, bench.reference
    if folder.exists():
        raise ConvertError(f"{folder} exists already; name a folder that bench may make and remove.")
    if reference and not (reference / "three_steps.py").is_file():
        raise ConvertError(f"{reference} is no reference environment; `make bench-reference` makes one.")
    about = f"{versions()}; Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    model = f"{bench.shape} with {bench.layers} of {SHAPES[bench.shape].layers} layers and an adapter of rank 16"
    yield f"Shape {model}; {bench.threads} threads; {about}"
    yield "References: llama_model_quantize and ggml_quantize_chunk of that llama-cpp-python; cp, fsync, SHA-256."
    yield f"Medians of {bench.pairs} runs by turns of each; the usual three steps, where measured, ran once."
    rows: list[Row] = []
    costs: dict[str, tuple[str, Cost]] = {}
    try:
        measure([*CHILD, "prepare", folder, bench.shape, bench.layers])
        for row in _rows(bench, costs):
            rows.append(row)
            value = NOT_MEASURED if row.value is None else f"{row.value:.2f} {row.unit}"
            yield f"{row.work:74} {value:>14}   aim {row.aim}"
        for name, cost in costs.values():
            yield (
                f"  {name}: {cost.seconds:.1f} s, {cost.processor:.1f} s of processor ({cost.cores:.2f} cores), "
                f"peak {cost.memory / 1e6:,.0f} MB, {cost.written / 1e6:,.0f} MB written"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if report:
        figures: dict[str, object] = {"about": about, "shape": bench.shape, "layers": bench.layers}
        figures |= {"threads": bench.threads, "pairs": bench.pairs} | {row.key: row.value for row in rows}
        for key, (_, cost) in costs.items():
            figures |= {f"{key}_{part}": value for part, value in asdict(cost).items()}
        report.write_text(json.dumps(figures, indent=1) + "\n")


def in_turns(times: int, *runs: Callable[[], Cost]) -> list[list[Cost]]:
    """Run all of `runs` by turns, `times` times; return the costs of each. What both read is in memory for all."""
    found: list[list[Cost]] = [[] for _ in runs]
    for _ in range(times):
        for costs, run in zip(found, runs, strict=True):
            costs.append(run())
    return found


def ratio(ours: Sequence[Cost], theirs: Sequence[Cost], part: str) -> float:
    """Return the median of the ratios of runs that followed each other."""
    return float(median(getattr(a, part) / getattr(b, part) for a, b in zip(ours, theirs, strict=True)))


def middle(costs: Sequence[Cost]) -> Cost:
    """Return the run that took the median time (the faster of two)."""
    return sorted(costs, key=lambda cost: cost.seconds)[(len(costs) - 1) // 2]


def _rows(bench: Bench, costs: dict[str, tuple[str, Cost]]) -> Iterator[Row]:
    main = MAIN_RECIPE
    bench.ours("F16", adapter=False)
    ready = bench.out("F16")
    theirs, ours = in_turns(bench.pairs, lambda: bench.quantizer(ready), lambda: bench.ours(main))
    costs["quantizer"] = f"llama.cpp's quantizer, {main} from F16", middle(theirs)
    costs["ours"] = f"ours, {main} with the adapter", (typical := middle(ours))
    against = f"{main} + adapter against"
    yield Row(
        "quantizer_time_ratio", f"{against} llama.cpp's quantizer on a ready F16 file",
        ratio(ours, theirs, "seconds"), "x", "<= 1.00 x",
    )  # fmt: skip
    processor = ratio(ours, theirs, "processor")
    yield Row("quantizer_processor_ratio", "  its processor time against the quantizer's", processor, "x", "<= 1.00 x")
    yield Row("cores", "  cores kept busy", typical.cores, "", f">= {0.95 * bench.threads:.1f}")
    peak = max(cost.memory for cost in ours)
    yield Row("peak_gigabytes", "  peak memory resident", peak / 1e9, "GB", "<= 1.2 GB")
    size = bench.out(main).stat().st_size
    yield Row("written_ratio", "  written, against the size of the file", typical.written / size, "x", "1.00 x")
    steps = bench.three_steps()
    if steps:
        costs["three_steps"] = "the usual three steps", steps
    for part, aim in (("seconds", "<= 0.65 x"), ("written", "<= 0.15 x"), ("memory", "<= 0.10 x")):
        value = getattr(typical, part) / getattr(steps, part) if steps else None
        yield Row(f"three_steps_{part}_ratio", f"{against} the usual three steps: {part}", value, "x", aim)
    for recipe in ("Q8_0", "F16"):
        yield from _plain_rows(bench, recipe, costs)


def _plain_rows(bench: Bench, recipe: str, costs: dict[str, tuple[str, Cost]]) -> Iterator[Row]:
    """A type that costs little arithmetic, against the disk's speed and the encoder's."""
    runs = (lambda: bench.ours(recipe), lambda: bench.copy(recipe), lambda: bench.encoder(recipe))
    ours, copies, alone = in_turns(bench.pairs, *runs)
    key = recipe.lower()
    costs[f"{key}_ours"] = f"ours, {recipe} with the adapter", middle(ours)
    costs[f"{key}_copy"] = f"a copy of the {recipe} file, hashed", middle(copies)
    costs[f"{key}_encoder"] = f"the {recipe} encoder alone", middle(alone)
    copying, encoding = (ratio(ours, other, "seconds") for other in (copies, alone))
    work = f"{recipe} + adapter against copying and hashing its bytes"
    yield Row(f"{key}_copy_time_ratio", work, copying, "x", "<= 1.15 x")
    yield Row(f"{key}_encoder_time_ratio", "  or against the encoder alone", encoding, "x", "<= 1.15 x")
