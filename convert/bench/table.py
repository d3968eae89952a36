"""The table of `bench`: every ratio measured in one run, one process after the other; never a figure from elsewhere."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from convert.bench.checkpoint import VOCAB, WIDTH, linear_shapes
from convert.bench.process import Cost, measure
from convert.errors import ConvertError
from convert.provenance import versions
from convert.quant.recipes import RECIPES

NOT_MEASURED = "not measured (see --reference-env)"
CHILD = (sys.executable, "-m", "convert.bench.child")
MAIN_RECIPE = "Q4_K_M" if "Q4_K_M" in RECIPES else "Q4_0"


@dataclass(frozen=True)
class Row:
    """One line: what is compared, the ratio of the two or None, and what is aimed at."""

    work: str
    value: float | None
    unit: str
    aim: str


@dataclass(frozen=True)
class Bench:
    """Where the files lie, and the size of the model."""

    folder: Path
    layers: int
    threads: int
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
        values = 2 * VOCAB * WIDTH + sum(rows * columns for rows, columns in linear_shapes(self.layers).values())
        return measure([*CHILD, "encode", type_name, values, self.threads])

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


def run_bench(folder: Path, layers: int, threads: int, reference: Path | None, report: Path | None) -> Iterator[str]:
    """Yield the table's lines as they become known; everything is removed from `folder` at the end."""
    if folder.exists():
        raise ConvertError(f"{folder} exists already; name a folder that bench may make and remove.")
    if reference and not (reference / "three_steps.py").is_file():
        raise ConvertError(f"{reference} is no reference environment; `make bench-reference` makes one.")
    bench = Bench(folder, layers, threads, reference)
    about = f"{versions()}; Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    yield f"Llama-2-7B's shape with {layers} of 32 layers and an adapter of rank 16; {threads} threads; {about}"
    yield "References: llama_model_quantize and ggml_quantize_chunk of that llama-cpp-python; cp, fsync, SHA-256."
    rows: list[Row] = []
    costs: dict[str, Cost] = {}
    try:
        measure([*CHILD, "prepare", folder, layers])
        for row in _rows(bench, costs):
            rows.append(row)
            value = NOT_MEASURED if row.value is None else f"{row.value:.2f} {row.unit}"
            yield f"{row.work:74} {value:>14}   aim {row.aim}"
        for name, cost in costs.items():
            yield (
                f"  {name}: {cost.seconds:.1f} s, {cost.processor:.1f} s of processor ({cost.cores:.2f} cores), "
                f"peak {cost.memory / 1e6:,.0f} MB, {cost.written / 1e6:,.0f} MB written"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if report:
        figures = {"about": about, "layers": layers, "threads": threads}
        found = {"rows": [asdict(row) for row in rows], "costs": {name: asdict(cost) for name, cost in costs.items()}}
        report.write_text(json.dumps(figures | found, indent=1) + "\n")


def _rows(bench: Bench, costs: dict[str, Cost]) -> Iterator[Row]:
    main = MAIN_RECIPE
    bench.ours("F16", adapter=False)
    ready = bench.out("F16")
    # Once to warm up: what both read is in memory then for both.
    theirs = costs[f"llama.cpp's quantizer, {main} from F16"] = bench.quantizer(ready)
    ours = costs[f"ours, {main} with the adapter"] = bench.ours(main)
    yield Row(
        f"{main} + adapter against llama.cpp's quantizer on a ready F16 file",
        ours.seconds / theirs.seconds,
        "x",
        "<= 1.00 x",
    )
    yield Row("  its processor time against the quantizer's", ours.processor / theirs.processor, "x", "<= 1.00 x")
    yield Row("  cores kept busy", ours.cores, "", f">= {0.95 * bench.threads:.1f}")
    yield Row("  peak memory resident", ours.memory / 1e9, "GB", "<= 1.2 GB")
    size = bench.out(main).stat().st_size
    yield Row("  written, against the size of the file", ours.written / size, "x", "1.00 x")
    steps = bench.three_steps()
    if steps:
        costs["the usual three steps"] = steps
    for what, aim in (("seconds", "<= 0.65 x"), ("written", "<= 0.15 x"), ("memory", "<= 0.10 x")):
        ratio = getattr(ours, what) / getattr(steps, what) if steps else None
        yield Row(f"{main} + adapter against the usual three steps: {what}", ratio, "x", aim)
    for recipe in ("Q8_0", "F16"):
        ours = costs[f"ours, {recipe} with the adapter"] = bench.ours(recipe)
        copy = costs[f"a copy of the {recipe} file, hashed"] = bench.copy(recipe)
        alone = costs[f"the {recipe} encoder alone"] = bench.encoder(recipe)
        yield Row(
            f"{recipe} + adapter against copying and hashing its bytes", ours.seconds / copy.seconds, "x", "<= 1.15 x"
        )
        yield Row("  or against the encoder alone", ours.seconds / alone.seconds, "x", "<= 1.15 x")
