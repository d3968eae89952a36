"""The whole conversion on one page: plan, declare, stream, finish; never writes before the plan is sound."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path

from convert.arch import describe, tied_weights
from convert.arch.general import general_metadata, pooling_metadata
from convert.arch.model import Model
from convert.arch.size import is_70b
from convert.blocks import BLOCK_VALUES, Block, Step, cut
from convert.checkpoint import ADAPTER, Checkpoint, Stored, open_folder, read_bytes
from convert.description import Description, read_description
from convert.digest import Digest, file_hash
from convert.errors import ConvertError
from convert.gguf_out import GgufFile, Layout, allocated, declare, part_path
from convert.importance import Importance, read_importance
from convert.lora import Merge
from convert.lora.changes import Merger
from convert.lora.report import norms_by_layer
from convert.merging import NF4, AdapterChoice, OpenedWeight, Weights, base_precision, merge_into
from convert.progress import Progress
from convert.provenance import ADAPTER_HASHES, BASE_HASHES, BASE_PRECISION, BLANK, TENSOR_HASHES, provenance
from convert.quant.ggml import encode, load_encoder
from convert.quant.overrides import Override
from convert.quant.recipes import RECIPES, Recipe, Traits, is_quantizable, tensor_types
from convert.quant.types import TYPES
from convert.stream import stream
from convert.target import check_inputs_kept, check_name
from convert.tensors import FLOAT_DTYPES, Metadata, TensorInfo, listing, shape_text, to_float32
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
class Plan:
    """A conversion that nothing foreseeable can stop: what is read and merged, and the file to the byte."""

    job: Job
    checkpoint: Checkpoint
    weights: Weights
    steps: tuple[Step, ...]
    metadata: Metadata
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
    check_name(job.out, overwrite=job.overwrite)
    plan = foresee(job)
    check_inputs_kept(job.out, [job.base, *_adapter_folders(job)])
    return plan


def foresee(job: Job) -> Plan:
    """Return what would be done, without a look at where the file goes. Raises ConvertError."""
    recipe = RECIPES[job.recipe]
    checkpoint = open_folder(job.base)
    description = read_description(job.base)
    merge = merge_into(checkpoint, job.adapters, job.base, tied_weights(description.config, checkpoint.tensors))
    model = describe(description.config, merge.tensors)
    _check_tensors(model, merge.tensors)
    nf4 = base_precision(job.base_precision, job.adapters) == NF4
    rounded = frozenset(row.source for row in model.rows if nf4 and row.is_linear)
    importance = read_importance(job.importance) if job.importance else None
    steps = _steps(model, merge, recipe, job.overrides, importance)
    known = _metadata(job, model, recipe, description, _tokenizer(job, merge, model.vocab_size))
    metadata = known | (importance.metadata if importance else {}) | _provenance(job, checkpoint, steps)
    if rounded:
        metadata[BASE_PRECISION] = NF4
    load_encoder()
    notices = merge.notices + model.notices + special_notices(metadata)
    return Plan(job, checkpoint, Weights(merge, rounded), steps, metadata, _layout(metadata, steps), notices)


def run(plan: Plan, progress: Progress) -> Report:
    """Carry out `plan`. Raises ConvertError, with nothing left behind, when the disk or a value stops it.

    A KeyboardInterrupt that it lets through says what became of the file.
    """
    job, layout = plan.job, plan.layout
    _check_room(job, layout)
    adapters = {ADAPTER_HASHES: [file_hash(folder / ADAPTER) for folder in _adapter_folders(job)]}
    mergers: dict[str, list[Merger]] = {}
    progress.started(sum(row.size for row in layout.tensors.values()))
    try:
        with GgufFile(job.out, layout, _identity(plan, adapters[ADAPTER_HASHES]), job.threads) as file:
            try:
                bases = _convert(plan, file, progress, mergers)
                progress.checking()
                tensors = {TENSOR_HASHES: [file.hashes[step.row.name].hex() for step in plan.steps]}
                filled = plan.metadata | bases | (adapters if job.adapters else {}) | tensors
                file.finish(_layout(filled, plan.steps).header)
            except KeyboardInterrupt as error:
                end = f"{job.out} was whole by then" if file.named else "nothing was written"
                raise KeyboardInterrupt(end) from error
    finally:
        progress.ended()
    return Report(
        job.out,
        layout.size,
        Counter(step.type.name for step in plan.steps),
        merged=len(plan.weights.merge.changes),
        rounded=len(plan.weights.rounded),
        norms=norms_by_layer({name: _norms(parts) for name, parts in mergers.items()}),
        notices=plan.notices,
    )


def _convert(plan: Plan, file: GgufFile, progress: Progress, mergers: dict[str, list[Merger]]) -> Metadata:
    """Send every block through the pipeline; return the hashes of the base's files, as metadata.

    `mergers` is filled with what merged each weight: they know how far it moved.
    """
    sizes = {path: plan.checkpoint.size(path) for path in _base_files(plan.checkpoint)}
    digests = {path: Digest(size) for path, size in sizes.items()}
    kept = frozenset(file.hashes)

    # The factors of the tensors under way stay in memory.
    @lru_cache(maxsize=4)
    def opened(source: str) -> OpenedWeight:
        weight = plan.weights.open(source)
        mergers.setdefault(source, []).append(weight.merger)
        return weight

    def work(block: Block) -> str | None:
        """Read one block and bring it into the file; return the name of the tensor that it completes."""
        step = block.step
        wanted = step is not None and step.row.name not in kept
        if not (block.hashed or wanted):
            return None
        raw = read_bytes(block.file, block.offset, block.size) if block.file else None
        if raw is not None and block.file and block.hashed:
            digests[block.file].add(block.offset, raw)
        if step is None or not wanted:
            return None
        row, columns = step.row, step.columns
        if row.generate:
            values = row.generate()
        else:
            assert raw is not None
            assert step.stored
            shape = row.shape if len(row.shape) < 2 else (block.count, *row.shape[1:])
            values = to_float32(raw, TensorInfo(row.source, step.stored.info.dtype, shape))
            values = opened(row.source).finished(values, block.first)
        if block.order is not None:
            values = values[block.order]
        elif row.reshape:
            values = row.reshape(values)
        data = encode(row.name, values.reshape(block.count, columns), step.type, step.importance)
        return row.name if file.write(row.name, data, step.type.size((block.first, columns))) else None

    for name in sorted(kept):
        progress.wrote(name, plan.layout.tensors[name].size)
    blocks = cut(plan.steps, sizes)
    stream(blocks, work, plan.job.threads, lambda name: progress.wrote(name, plan.layout.tensors[name].size))
    return {BASE_HASHES: [digest.digest().hex() for digest in digests.values()]}


def _norms(parts: Iterable[Merger]) -> Mapping[str, float]:
    """Return how far each adapter moved one weight, by what each of its mergers saw of it."""
    squares: dict[str, float] = {}
    for merger in parts:
        for label, norm in merger.norms.items():
            squares[label] = squares.get(label, 0.0) + norm * norm
    return {label: square**0.5 for label, square in squares.items()}


def _layout(metadata: Metadata, steps: Iterable[Step]) -> Layout:
    return declare(metadata, ((s.row.name, s.row.shape, s.type.number, s.type.size(s.row.shape)) for s in steps))


def _base_files(checkpoint: Checkpoint) -> list[Path]:
    return sorted(checkpoint.files)


def _adapter_folders(job: Job) -> list[Path]:
    return [choice.folder for choice in job.adapters]


def _provenance(job: Job, checkpoint: Checkpoint, steps: Iterable[Step]) -> Metadata:
    known = provenance(job.base, _base_files(checkpoint), job.recipe, _adapter_folders(job))
    return known | {TENSOR_HASHES: [BLANK for _ in steps]}


def _identity(plan: Plan, hashes: Iterable[str]) -> str:
    """Return a text that is another one for whatever would make other bytes.

    The header tells the types, the settings and the versions; the base is told by its files' sizes and times.
    """
    stats = [path.stat() for path in _base_files(plan.checkpoint)]
    files = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
    shares = [choice.share for choice in plan.job.adapters]
    weighed = file_hash(plan.job.importance) if plan.job.importance else ""
    parts = (files, list(hashes), shares, sorted(plan.weights.rounded), weighed, BLOCK_VALUES)
    return hashlib.sha256(plan.layout.header + repr(parts).encode()).hexdigest()


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
    model: Model, merge: Merge, recipe: Recipe, overrides: tuple[Override, ...], importance: Importance | None
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
    steps = []
    for row in model.rows:
        type_ = types[row.name]
        weights = weigh(row.name, row.shape) if type_.name != "F32" else None
        steps.append(Step(row, type_, None if row.generate else _stored(merge, row.source), weights))
    return tuple(steps)


def _stored(merge: Merge, name: str) -> Stored:
    """Return where the rows of a weight lie: in the base, or in an adapter that brings it in full."""
    origin = merge.origin(name)
    assert isinstance(origin.source, Checkpoint)
    return origin.source.stored[origin.name]


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
    # What a killed run left behind is taken up or removed before the first byte.
    free += allocated(part_path(job.out))
    if layout.size > free:
        raise ConvertError(
            f"{job.out} needs {layout.size / 1e6:,.1f} MB, but its disk has only {free / 1e6:,.1f} MB free."
        )
