"""The whole conversion on one page: plan, declare, stream, finish; never writes before the plan is sound."""

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from convert.arch import describe
from convert.arch.general import general_metadata, pooling_metadata
from convert.arch.model import Model, Row
from convert.checkpoint import Checkpoint, open_file, open_folder
from convert.description import Description, read_description
from convert.errors import ConvertError
from convert.gguf_out import GgufFile, Layout, declare, part_path
from convert.json_file import read_object
from convert.lora import Adapter, read_adapter
from convert.progress import Progress
from convert.quant.ggml import Encoder, load_encoder
from convert.quant.recipes import RECIPES, Recipe, tensor_type
from convert.quant.types import TensorType
from convert.tensors import FLOAT_DTYPES, Metadata, TensorInfo, listing, shape_text
from convert.vocab import vocab_metadata
from convert.vocab.special import special_notices


@dataclass(frozen=True)
class Job:
    """What is asked for: a checkpoint's folder, maybe an adapter's, a key of RECIPES, where the file goes."""

    base: Path
    adapter: Path | None
    recipe: str
    out: Path
    threads: int = 1
    overwrite: bool = False


@dataclass(frozen=True)
class Step:
    """One tensor from checkpoint to file."""

    row: Row
    type: TensorType


@dataclass(frozen=True)
class Plan:
    """A conversion that nothing foreseeable can stop: what is read and merged, and the file to the byte."""

    job: Job
    checkpoint: Checkpoint
    adapter: Adapter | None
    steps: tuple[Step, ...]
    layout: Layout
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What was written: bytes, tensors by type, how many the adapter changed, and what one should know about it."""

    path: Path
    size: int
    types: Mapping[str, int]
    merged: int
    notices: tuple[str, ...] = ()


def make_plan(job: Job) -> Plan:
    """Return the plan for `job`, reading headers and tokenizer files only. Raises ConvertError."""
    recipe = RECIPES[job.recipe]
    _check_name(job)
    checkpoint = open_folder(job.base)
    description = read_description(job.base)
    model = describe(description.config, checkpoint.tensors)
    weights = _check_tensors(model, checkpoint.tensors)
    adapter = _open_adapter(job.adapter, weights) if job.adapter else None
    tied = all(row.name != "output.weight" for row in model.rows)
    steps = tuple(Step(row, tensor_type(recipe, row.name, row.shape, tied=tied)) for row in model.rows)
    metadata = _metadata(job, model, recipe, description)
    layout = declare(
        metadata,
        ((s.row.name, s.row.shape, s.type.number, s.type.size(s.row.shape)) for s in steps),
    )
    _check_inputs_kept(job)
    _check_room(job, layout)
    load_encoder()
    return Plan(job, checkpoint, adapter, steps, layout, model.notices + special_notices(metadata))


def run(plan: Plan, progress: Progress) -> Report:
    """Carry out `plan`. Raises ConvertError, with nothing left behind, when the disk or a value stops it."""
    deltas = plan.adapter.deltas if plan.adapter else {}
    progress.started(sum(row.size for row in plan.layout.tensors.values()))
    try:
        with Encoder(plan.job.threads) as encoder, GgufFile(plan.job.out, plan.layout) as file:
            for step in plan.steps:
                row = step.row
                values = row.generate() if row.generate else plan.checkpoint.read(row.source)
                if plan.adapter:
                    values = plan.adapter.add_delta(row.source, values)
                if row.reshape:
                    values = row.reshape(values)
                data = encoder.encode(row.name, values, step.type)
                file.write(row.name, data)
                progress.wrote(row.name, data.nbytes)
            file.finish()
    finally:
        progress.ended()
    types = Counter(step.type.name for step in plan.steps)
    return Report(plan.job.out, plan.layout.size, types, len(deltas), plan.notices)


def _check_tensors(model: Model, tensors: Mapping[str, TensorInfo]) -> Mapping[str, TensorInfo]:
    """Return the tensors that `model` uses, all there, of the right shape and dtype, and none left over."""
    wanted = {row.source: row for row in model.rows if not row.generate}
    if missing := [name for name in wanted if name not in tensors]:
        raise ConvertError(f"The checkpoint lacks tensors that its config.json calls for: {listing(missing)}.")
    if unknown := [n for n in tensors if n not in wanted and not n.endswith(model.ignored)]:
        raise ConvertError(f"The checkpoint has tensors that {model.name} does not know: {listing(unknown)}.")
    for name, row in wanted.items():
        info = tensors[name]
        if info.shape != row.shape:
            found, needed = shape_text(info.shape), shape_text(row.shape)
            raise ConvertError(f"The tensor {name} is {found}, but its config.json calls for {needed}.")
        if info.dtype not in FLOAT_DTYPES:
            raise ConvertError(f"The tensor {name} has the dtype {info.dtype}; only F32, F16 and BF16 are understood.")
    return {name: tensors[name] for name in wanted}


def _open_adapter(folder: Path, weights: Mapping[str, TensorInfo]) -> Adapter:
    if not folder.is_dir():
        raise ConvertError(f"{folder} is not a folder with an adapter.")
    config = read_object(folder / "adapter_config.json")
    if (folder / "adapter_model.bin").exists() and not (folder / "adapter_model.safetensors").exists():
        raise ConvertError(f"{folder} holds a pickle (adapter_model.bin); save the adapter as safetensors with PEFT.")
    return read_adapter(config, open_file(folder / "adapter_model.safetensors"), weights)


def _metadata(job: Job, model: Model, recipe: Recipe, description: Description) -> Metadata:
    folders = [folder for folder in (job.adapter, job.base) if folder]
    values = sum(prod(row.shape) for row in model.rows)
    metadata = general_metadata(
        model.name,
        description.name,
        values,
        recipe.file_type,
        description.generation,
        description.config,
        description.card,
    )
    if job.adapter:
        metadata["general.name"] = f"{metadata['general.name']} + {job.adapter.resolve().name}"
    return (
        metadata
        | model.metadata
        | pooling_metadata(model.name, description.pooling)
        | vocab_metadata(job.base, folders, model.vocab_size)
    )


def _check_name(job: Job) -> None:
    """Check that the file may be made under its name."""
    folder = job.out.absolute().parent
    if not folder.is_dir():
        raise ConvertError(f"The folder {folder} does not exist.")
    if job.out.is_dir():
        raise ConvertError(f"{job.out} is a folder; name a file.")
    if job.out.exists() and not job.overwrite:
        raise ConvertError(f"{job.out} exists already; add --overwrite to replace it.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConvertError(f"The folder {folder} is not writable.")


def _check_inputs_kept(job: Job) -> None:
    """Check that the file does not replace one it is made from."""
    folders = [folder for folder in (job.base, job.adapter) if folder]
    if job.out.exists() and any(
        path.samefile(job.out) for folder in folders for path in folder.iterdir() if path.is_file()
    ):
        raise ConvertError(f"{job.out} is part of the model that is to be converted; choose another name.")


def _check_room(job: Job, layout: Layout) -> None:
    free = shutil.disk_usage(job.out.absolute().parent).free
    part = part_path(job.out)
    # What a killed run left behind is removed before the first byte.
    free += part.stat().st_size if part.exists() else 0
    if layout.size > free:
        raise ConvertError(
            f"{job.out} needs {layout.size / 1e6:,.1f} MB, but its disk has only {free / 1e6:,.1f} MB free."
        )
