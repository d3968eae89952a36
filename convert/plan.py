"""`quietroom-convert plan`: what a conversion would do, in words and numbers; never writes a file."""

import hashlib
import re
from collections.abc import Iterator
from math import prod
from time import perf_counter

import numpy as np

from convert.blocks import Step, cut
from convert.pipeline import Plan
from convert.quant.ggml import encode
from convert.quant.types import TensorType
from convert.stream import AHEAD
from convert.tensors import shape_text

PROGRAM = 70e6  # bytes that the program itself takes, with numpy and its libraries
SAMPLE = (64, 4096)  # rows x columns that a speed is measured with


def report(plan: Plan) -> Iterator[str]:
    """Yield the lines: tensors by kind with types and sizes, then the file's size, the memory and the time."""
    kinds: dict[tuple[str, str, str], list[int]] = {}
    for step in plan.steps:
        name = re.sub(r"\.\d+\.", ".*.", step.row.name)
        kinds.setdefault((name, shape_text(step.row.shape), step.type.name), []).append(step.type.size(step.row.shape))
    for (name, shape, type_name), sizes in kinds.items():
        yield f"{len(sizes):4}  {name:32} {shape:16} {type_name:7} {sum(sizes) / 1e6:10,.1f} MB"
    changed = len(plan.weights.merge.changes)
    merged = f", {changed} of them with adapters merged in" if changed else ""
    yield f"File: {plan.layout.size / 1e6:,.1f} MB in {len(plan.steps)} tensors{merged}."
    yield f"Memory: about {_memory(plan) / 1e6:,.0f} MB with {plan.job.threads} threads."
    seconds = _processor_time(plan.steps) / plan.job.threads
    yield f"Time: about {_duration(seconds)} of computing, measured now on this machine, if the disk keeps up."


def _memory(plan: Plan) -> float:
    """Return the bytes: what each thread has of a block in float32, and what waits to be hashed."""
    values = max(block.count * block.step.columns for block in cut(plan.steps, {}) if block.step)
    return PROGRAM + 3 * len(plan.layout.header) + plan.job.threads * values * (4 + 4 + 4 + 4 + AHEAD)


def _processor_time(steps: tuple[Step, ...]) -> float:
    """Return the seconds that one core needs to encode and hash all."""
    types = {step.type.name: step.type for step in steps}
    speeds = {name: _seconds_per_value(type_) for name, type_ in types.items()}
    encoding = sum(speeds[step.type.name] * prod(step.row.shape) for step in steps)
    # Read once, written once, read back once.
    hashed = sum((step.stored.size if step.stored else 0) + 2 * step.type.size(step.row.shape) for step in steps)
    return encoding + hashed * _seconds_per_hashed_byte()


def _seconds_per_value(type_: TensorType) -> float:
    values = np.random.default_rng(0).standard_normal(SAMPLE, np.float32)
    encode("sample", values[:1], type_)
    start = perf_counter()
    encode("sample", values, type_)
    return (perf_counter() - start) / values.size


def _seconds_per_hashed_byte() -> float:
    data = bytes(1 << 22)
    start = perf_counter()
    hashlib.sha256(data).digest()
    return (perf_counter() - start) / len(data)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
