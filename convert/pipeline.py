"""The whole conversion on one page: plan, declare, stream, finish; never writes before the plan is sound."""

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from convert.arch import describe, tied_weights
from convert.arch.general import general_metadata, pooling_metadata
from convert.arch.model import Model, Row
from convert.arch.size import is_70b
from convert.checkpoint import open_folder
from convert.description import Description, read_description
from convert.errors import ConvertError
from convert.gguf_out import GgufFile, Layout, declare, part_path
from convert.importance import Importance, read_importance
from convert.lora import Merge
from convert.lora.report import norms_by_layer
from convert.merging import NF4, AdapterChoice, Weights, base_precision, merge_into
from convert.progress import Progress
from convert.quant.ggml import Encoder, load_encoder
from convert.quant.overrides import Override
from convert.quant.recipes import RECIPES, Recipe, Traits, is_quantizable, tensor_types
from convert.quant.types import TYPES, TensorType
from convert.target import check_inputs_kept, check_name
from convert.tensors import FLOAT_DTYPES, Array, Metadata, TensorInfo, listing, shape_text
from convert.vocab import vocab_metadata
from convert.vocab.count import has_tokenizer, token_count
from convert.vocab.special import special_notices


@dataclass(frozen=True)
class Job:
    """What is asked for: a checkpoint's folder, adapters, a key of RECIPES, where the file goes.

    `base_precision` is one of merging.PRECISIONS; None leaves it to the adapters' folders.
    """

    base: Path
    adapters: tuple[AdapterChoice, ...]
    recipe: str
    out: Path
    threads: int = 1
    overwrite: bool = False
    base_precision: str | None = None
    importance: Path | None = None
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True)
class Step:
    """One tensor from checkpoint to file."""

    row: Row
    type: TensorType
    importance: Array | None = None


@dataclass(frozen=True)
class Plan:
    """A conversion that nothing foreseeable can stop: what is read and merged, and the file to the byte."""

    job: Job
    weights: Weights
    steps: tuple[Step, ...]
    layout: Layout
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What was written: bytes, tensors by type, and how many were changed by adapters or rounded to four bits.

    `norms` says for each adapter how far it moved each layer (Frobenius norm); `notices` are for a person to read.
    """

    path: Path
    size: int
    types: Mapping[str, int]
    merged: int
    rounded: int
    norms: Mapping[str, Mapping[str, float]]
    notices: tuple[str, ...]


def make_plan(job: Job) -> Plan:
    """Return the plan for `job`, reading headers and tokenizer files only. Raises ConvertError."""
    recipe = RECIPES[job.recipe]
    check_name(job.out, overwrite=job.overwrite)
    checkpoint = open_folder(job.base)
    description = read_description(job.base)
    config = description.config
    merge = merge_into(checkpoint, job.adapters, job.base, tied_weights(config, checkpoint.tensors))
    model = describe(config, merge.tensors)
    _check_tensors(model, merge.tensors)
    nf4 = base_precision(job.base_precision, job.adapters) == NF4
    rounded = frozenset(row.source for row in model.rows if nf4 and row.is_linear)
    importance = read_importance(job.importance) if job.importance else None
    steps = _steps(model, recipe, job.overrides, importance)
    metadata = _metadata(job, model, recipe, description, _tokenizer(job, merge, model.vocab_size))
    layout = declare(
        metadata | (importance.metadata if importance else {}),
        ((s.row.name, s.row.shape, s.type.number, s.type.size(s.row.shape)) for s in steps),
    )
    check_inputs_kept(job.out, [job.base, *(choice.folder for choice in job.adapters)])
    _check_room(job, layout)
    load_encoder()
    notices = merge.notices + model.notices + special_notices(metadata)
    return Plan(job, Weights(merge, rounded), steps, layout, notices)


def run(plan: Plan, progress: Progress) -> Report:
    """Carry out `plan`. Raises ConvertError, with nothing left behind, when the disk or a value stops it."""
    norms: dict[str, dict[str, float]] = {}
    progress.started(sum(row.size for row in plan.layout.tensors.values()))
    try:
        with Encoder(plan.job.threads) as encoder, GgufFile(plan.job.out, plan.layout) as file:
            for step in plan.steps:
                row = step.row
                if row.generate:
                    values = row.generate()
                else:
                    weight = plan.weights.open(row.source)
                    values = weight.rows(0, row.shape[0])
                    norms[row.source] = weight.merger.norms
                if row.reshape:
                    values = row.reshape(values)
                data = encoder.encode(row.name, values, step.type, step.importance)
                file.write(row.name, data)
                progress.wrote(row.name, data.nbytes)
            file.finish()
    finally:
        progress.ended()
    types = Counter(step.type.name for step in plan.steps)
    merge = plan.weights.merge
    return Report(
        plan.job.out,
        plan.layout.size,
        types,
        merged=len(merge.changes),
        rounded=len(plan.weights.rounded),
        norms=norms_by_layer(norms),
        notices=plan.notices,
    )


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


def _tokenizer(job: Job, merge: Merge, rows: int) -> Path | None:
    """Return the folder of the first adapter that was saved with a tokenizer, or None: then the base's serves."""
    for choice in job.adapters:
        if has_tokenizer(choice.folder):
            if (count := token_count(choice.folder)) > rows:
                raise ConvertError(
                    f"The tokenizer saved with the adapter {choice.label} has {count} tokens, but the embedding has "
                    f"{rows} rows; save the adapter with its resized embedding, or remove its tokenizer's files."
                )
            return choice.folder
    before = merge.base.tensors
    for name in merge.changes:
        if name in before and (old := before[name].shape) != (new := merge.tensors[name].shape):
            raise ConvertError(
                f"The adapter brings {new[0]} rows for {name}, the base has {old[0]}, and no tokenizer was saved with "
                "the adapter; copy the one it was trained with into its folder."
            )
    return None


def _steps(
    model: Model, recipe: Recipe, overrides: tuple[Override, ...], importance: Importance | None
) -> tuple[Step, ...]:
    """Return what becomes of each tensor. Raises ConvertError for an override or a matrix that fits nothing."""
    shapes = {row.name: row.shape for row in model.rows}
    for override in overrides:
        if not any(override.fits(name) and is_quantizable(name, shape) for name, shape in shapes.items()):
            raise ConvertError(f"The pattern {override.pattern.pattern!r} fits no tensor that can be quantized.")
    if overrides and TYPES[recipe.default].block == 1:
        raise ConvertError(f"--tensor-type changes nothing in a file of the type {recipe.name}; leave it out.")
    if importance:
        importance.check_fits(shapes)
    types = tensor_types(recipe, shapes, _traits(model, importance is not None), overrides)
    weigh = importance.of if importance else lambda _name, _shape: None
    return tuple(
        Step(r, types[r.name], weigh(r.name, r.shape) if types[r.name].name != "F32" else None) for r in model.rows
    )


def _traits(model: Model, importance: bool) -> Traits:
    layers, heads, kv_heads = (
        value if isinstance(value := model.metadata.get(f"{model.name}.{key}"), int) else 1
        for key in ("block_count", "attention.head_count", "attention.head_count_kv")
    )
    return Traits(layers, heads // kv_heads, is_70b(model.name, layers, heads, kv_heads), importance)


def _metadata(job: Job, model: Model, recipe: Recipe, description: Description, tokenizer: Path | None) -> Metadata:
    folders = [*(choice.folder for choice in job.adapters), job.base]
    metadata = general_metadata(
        model.name,
        description.name,
        sum(prod(row.shape) for row in model.rows),
        recipe.file_type,
        description.generation,
        description.config,
        description.card,
    )
    if job.adapters:
        metadata["general.name"] = " + ".join([str(metadata["general.name"]), *(c.label for c in job.adapters)])
    return (
        metadata
        | model.metadata
        | pooling_metadata(model.name, description.pooling)
        | vocab_metadata(job.base, folders, model.vocab_size, tokenizer)
    )


def _check_room(job: Job, layout: Layout) -> None:
    free = shutil.disk_usage(job.out.absolute().parent).free
    part = part_path(job.out)
    # What a killed run left behind is removed before the first byte.
    free += part.stat().st_size if part.exists() else 0
    if layout.size > free:
        raise ConvertError(
            f"{job.out} needs {layout.size / 1e6:,.1f} MB, but its disk has only {free / 1e6:,.1f} MB free."
        )
