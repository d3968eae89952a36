"""The whole conversion on one page: plan, declare, stream, finish; never writes before the plan is sound."""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from convert.arch import describe
from convert.arch.general import general_metadata
from convert.arch.model import Model
from convert.blocks import BLOCK_VALUES, Block, Step, cut
from convert.checkpoint import Checkpoint, open_file, open_folder, read_bytes
from convert.digest import Digest, file_hash
from convert.errors import ConvertError
from convert.gguf_out import GgufFile, Layout, allocated, declare, part_path
from convert.json_file import read_object, read_object_if_present
from convert.lora import Adapter, read_adapter
from convert.progress import Progress
from convert.provenance import ADAPTER_HASHES, BASE_HASHES, BLANK, TENSOR_HASHES, provenance
from convert.quant.ggml import encode, load_encoder
from convert.quant.recipes import RECIPES, Recipe, tensor_type
from convert.stream import stream
from convert.tensors import FLOAT_DTYPES, Metadata, TensorInfo, listing, shape_text, to_float32
from convert.vocab import vocab_metadata


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
class Plan:
    """A conversion that nothing foreseeable can stop: what is read and merged, and the file to the byte."""

    job: Job
    checkpoint: Checkpoint
    adapter: Adapter | None
    steps: tuple[Step, ...]
    metadata: Metadata
    layout: Layout


@dataclass(frozen=True)
class Report:
    """What was written: bytes, tensors by type, and how many were changed by the adapter."""

    path: Path
    size: int
    types: Mapping[str, int]
    merged: int


def make_plan(job: Job) -> Plan:
    """Return the plan for `job`, reading headers and tokenizer files only. Raises ConvertError."""
    _check_name(job)
    plan = foresee(job)
    _check_inputs_kept(job)
    return plan


def foresee(job: Job) -> Plan:
    """Return what would be done, without a look at where the file goes. Raises ConvertError."""
    recipe = RECIPES[job.recipe]
    checkpoint = open_folder(job.base)
    model = describe(read_object(job.base / "config.json"), checkpoint.tensors)
    weights = _check_tensors(model, checkpoint.tensors)
    adapter = _open_adapter(job.adapter, weights) if job.adapter else None
    tied = all(row.name != "output.weight" for row in model.rows)
    steps = tuple(
        Step(row, tensor_type(recipe, row.name, row.shape, tied=tied), checkpoint.stored[row.source])
        for row in model.rows
    )
    metadata = _metadata(job, model, recipe, weights) | _provenance(job, checkpoint, steps)
    layout = _layout(metadata, steps)
    load_encoder()
    return Plan(job, checkpoint, adapter, steps, metadata, layout)


def run(plan: Plan, progress: Progress) -> Report:
    """Carry out `plan`. Raises ConvertError, with nothing left behind, when the disk or a value stops it.

    A KeyboardInterrupt that it lets through says what became of the file.
    """
    job, layout = plan.job, plan.layout
    _check_room(job, layout)
    adapters = {ADAPTER_HASHES: [file_hash(file) for file in _adapter_files(job)]}
    identity = _identity(plan, adapters[ADAPTER_HASHES])
    progress.started(sum(row.size for row in layout.tensors.values()))
    try:
        with GgufFile(job.out, layout, identity, job.threads) as file:
            try:
                bases = _convert(plan, file, progress)
                progress.checking()
                tensors = {TENSOR_HASHES: [file.hashes[step.row.name].hex() for step in plan.steps]}
                filled = plan.metadata | bases | (adapters if plan.adapter else {}) | tensors
                file.finish(_layout(filled, plan.steps).header)
            except KeyboardInterrupt as error:
                end = f"{job.out} was whole by then" if file.named else "nothing was written"
                raise KeyboardInterrupt(end) from error
    finally:
        progress.ended()
    types = Counter(step.type.name for step in plan.steps)
    return Report(job.out, layout.size, types, len(plan.adapter.deltas) if plan.adapter else 0)


def _convert(plan: Plan, file: GgufFile, progress: Progress) -> Metadata:
    """Send every block through the pipeline; return the hashes of the base's files, as metadata."""
    sizes = {path: plan.checkpoint.size(path) for path in _base_files(plan.checkpoint)}
    digests = {path: Digest(size) for path, size in sizes.items()}
    # The factors of the tensors under way stay in memory.
    merge = lru_cache(maxsize=4)(plan.adapter.merger) if plan.adapter else lambda _source: None
    kept = frozenset(file.hashes)

    def work(block: Block) -> str | None:
        """Read one block and bring it into the file; return the name of the tensor that it completes."""
        step = block.step
        wanted = step is not None and step.row.name not in kept
        if not (block.hashed or wanted):
            return None
        raw = read_bytes(block.file, block.offset, block.size)
        if block.hashed:
            digests[block.file].add(block.offset, raw)
        if step is None or not wanted:
            return None
        row, columns = step.row, step.columns
        shape = row.shape if len(row.shape) < 2 else (block.count, *row.shape[1:])
        values = to_float32(raw, TensorInfo(row.source, step.stored.info.dtype, shape))
        if add_delta := merge(row.source):
            values = add_delta(values, block.first)
        if block.order is not None:
            values = values[block.order]
        elif row.reshape:
            values = row.reshape(values)
        data = encode(row.name, values.reshape(block.count, columns), step.type)
        return row.name if file.write(row.name, data, step.type.size((block.first, columns))) else None

    for name in sorted(kept):
        progress.wrote(name, plan.layout.tensors[name].size)
    blocks = cut(plan.steps, sizes)
    stream(blocks, work, plan.job.threads, lambda name: progress.wrote(name, plan.layout.tensors[name].size))
    return {BASE_HASHES: [digest.digest().hex() for digest in digests.values()]}


def _layout(metadata: Metadata, steps: Iterable[Step]) -> Layout:
    return declare(metadata, ((s.row.name, s.row.shape, s.type.number, s.type.size(s.row.shape)) for s in steps))


def _base_files(checkpoint: Checkpoint) -> list[Path]:
    return sorted(checkpoint.files)


def _adapter_files(job: Job) -> list[Path]:
    return [job.adapter / "adapter_model.safetensors"] if job.adapter else []


def _provenance(job: Job, checkpoint: Checkpoint, steps: Iterable[Step]) -> Metadata:
    adapters = [job.adapter] if job.adapter else []
    known = provenance(job.base, _base_files(checkpoint), job.recipe, adapters)
    return known | {TENSOR_HASHES: [BLANK for _ in steps]}


def _identity(plan: Plan, hashes: Iterable[str]) -> str:
    """Return a text that is another one for whatever would make other bytes.

    The header tells the types, the settings and the versions; the base is told by its files' sizes and times.
    """
    stats = [path.stat() for path in _base_files(plan.checkpoint)]
    files = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
    return hashlib.sha256(plan.layout.header + repr((files, list(hashes), BLOCK_VALUES)).encode()).hexdigest()


def _check_tensors(model: Model, tensors: Mapping[str, TensorInfo]) -> Mapping[str, TensorInfo]:
    """Return the tensors that `model` uses, all there, of the right shape and dtype, and none left over."""
    wanted = {row.source: row for row in model.rows}
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


def _metadata(job: Job, model: Model, recipe: Recipe, weights: Mapping[str, TensorInfo]) -> Metadata:
    folders = [folder for folder in (job.adapter, job.base) if folder]
    generation = read_object_if_present(job.base / "generation_config.json")
    name = " + ".join(folder.resolve().name for folder in reversed(folders))
    values = sum(info.values for info in weights.values())
    return (
        general_metadata(model.name, name, values, recipe.file_type, generation)
        | model.metadata
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
    # What a killed run left behind is taken up or removed before the first byte.
    free += allocated(part_path(job.out))
    if layout.size > free:
        raise ConvertError(
            f"{job.out} needs {layout.size / 1e6:,.1f} MB, but its disk has only {free / 1e6:,.1f} MB free."
        )
