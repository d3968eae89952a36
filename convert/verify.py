"""Tells whether a GGUF file is whole and works; never changes it, never lets llama.cpp near one that is damaged.

What is looked at, in this order: the header, entry by entry; the SHA-256 of each tensor where the file carries
them; every scale and every float, which must be finite; whether the model that the header describes is there;
whether llama.cpp, in a child process, loads it and answers.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from convert.errors import ConvertError
from convert.gguf_in import GgufHeader, Placed, read_gguf
from convert.provenance import TENSOR_HASHES
from convert.quant.recipes import recipe_of
from convert.quant.types import TYPES
from convert.tensors import Bytes, listing

BLOCK_BYTES = 1 << 22
PATIENCE = 900.0  # seconds for llama.cpp to load a file and write a few tokens

Convert = Callable[[str, Path], None]  # (recipe, file to write)


def verify(path: Path, threads: int) -> list[str]:
    """Return what was found right, a sentence each. Raises ConvertError naming what is wrong."""
    header = read_gguf(path)
    found = [f"{len(header.tensors)} tensors and {len(header.metadata)} settings lie as they must"]
    check_model(header)
    hashes = header.metadata.get(TENSOR_HASHES)
    if hashes is not None:
        _check_hashes(header, hashes)
        found.append(f"all {len(header.tensors)} checksums are right")
    else:
        found.append("it carries no checksums")
    unknown = [tensor.name for tensor in header.tensors.values() if not _check_values(header, tensor)]
    found.append(f"all values are numbers{f', but for {listing(unknown)}, not looked at' if unknown else ''}")
    return [*found, f"llama.cpp {_try(path, threads)}"]


def compare(path: Path, convert: Convert) -> str:
    """Convert the same model again with `convert` and return that all is the same. Raises ConvertError if not."""
    header = read_gguf(path)
    recipe = recipe_of(header.count("general.file_type")) if "general.file_type" in header.metadata else None
    if recipe is None:
        raise ConvertError(f"{path} does not say of which type it is, so that it cannot be made again.")
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "again.gguf"
        convert(recipe.name, again)
        fresh = read_gguf(again)
        if fresh.tensors.keys() != header.tensors.keys():
            other = sorted(fresh.tensors.keys() ^ header.tensors.keys())
            raise ConvertError(f"{path} has other tensors than the model it is compared with: {listing(other)}.")
        differing = [name for name in header.tensors if not _is_same(header, fresh, name)]
        if differing:
            raise ConvertError(
                f"{path} differs from the model it is compared with in {len(differing)} of {len(header.tensors)} "
                f"tensors: {listing(differing)}."
            )
        described = [
            key
            for key in sorted(header.metadata.keys() | fresh.metadata.keys())
            if not key.startswith(("general.", "quietroom.", "quantize."))
            and not np.array_equal(header.metadata.get(key, ""), fresh.metadata.get(key, ""))
        ]
    if described:
        raise ConvertError(f"{path} describes the model otherwise than its base does: {listing(described)}.")
    return f"made again from its base, all {len(header.tensors)} tensors are the same"


def check_model(header: GgufHeader) -> None:
    """Check that the header describes a model whose parts are there. Raises ConvertError."""
    architecture = header.text("general.architecture")
    if not architecture:
        raise ConvertError(f"{header.path} is a GGUF file, but it does not say that it holds a model.")
    if (kind := header.text("general.type") or "model") != "model":
        raise ConvertError(f"{header.path} holds a GGUF of the kind {kind}, not a model.")
    layers = header.count(f"{architecture}.block_count")
    present = {name.split(".")[1] for name in header.tensors if name.startswith("blk.")}
    if layers < 1 or len(present) > layers:
        raise ConvertError(f"{header.path} is damaged: it describes {layers} layers and holds {len(present)}.")
    if missing := [str(layer) for layer in range(min(layers, 1 << 16)) if str(layer) not in present]:
        raise ConvertError(f"{header.path} is damaged: it lacks all of the layers {listing(missing)}.")
    embedding, tokens = header.tensors.get("token_embd.weight"), header.metadata.get("tokenizer.ggml.tokens")
    if embedding is None:
        raise ConvertError(f"{header.path} is damaged: it has no token_embd.weight.")
    if not isinstance(tokens, list) or len(embedding.shape) != 2 or len(tokens) != embedding.shape[0]:
        number = len(tokens) if isinstance(tokens, list) else 0
        raise ConvertError(f"{header.path} is damaged: it has {number} tokens for {embedding.shape[0]} embeddings.")


def _check_hashes(header: GgufHeader, hashes: object) -> None:
    if not isinstance(hashes, list) or len(hashes) != len(header.tensors):
        raise ConvertError(f"{header.path} is damaged: its list of checksums is not one of its tensors.")
    for tensor, expected in zip(header.tensors.values(), hashes, strict=True):
        digest = hashlib.sha256()
        for start in range(0, tensor.size, BLOCK_BYTES):
            digest.update(_part(header, tensor, start, BLOCK_BYTES).data)
        if digest.hexdigest() != expected:
            raise ConvertError(f"{header.path} is damaged: the tensor {tensor.name} is not as it was written.")


def _check_values(header: GgufHeader, tensor: Placed) -> bool:
    """Check a tensor's floats and scales; return False for a type that we do not know from within."""
    known = TYPES.get(tensor.type.name)
    if known is None:
        return False
    size = BLOCK_BYTES // known.block_bytes * known.block_bytes
    for start in range(0, tensor.size, size):
        part = _part(header, tensor, start, size)
        sound = bool(np.isfinite(part.view("<f4")).all()) if known.name == "F32" else known.is_sound(part)
        if not sound:
            raise ConvertError(f"{header.path} is damaged: the tensor {tensor.name} holds values that are no numbers.")
    return True


def _is_same(header: GgufHeader, fresh: GgufHeader, name: str) -> bool:
    ours, theirs = header.tensors[name], fresh.tensors[name]
    return (ours.shape, ours.type) == (theirs.shape, theirs.type) and all(
        np.array_equal(_part(header, ours, start, BLOCK_BYTES), _part(fresh, theirs, start, BLOCK_BYTES))
        for start in range(0, ours.size, BLOCK_BYTES)
    )


def _part(header: GgufHeader, tensor: Placed, start: int, size: int) -> Bytes:
    """Return a part of a tensor, read into memory that is free again after it."""
    return np.fromfile(header.path, np.uint8, min(size, tensor.size - start), offset=tensor.offset + start)


def _try(path: Path, threads: int) -> str:
    """Let a child load the file and answer; return what it did. Raises ConvertError with what went wrong."""
    command = [sys.executable, "-P", "-m", "convert.trial", str(path), str(threads)]
    try:
        run = subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise ConvertError(
            f"llama.cpp did not come to an end with {path} within {PATIENCE / 60:.0f} minutes."
        ) from error
    if run.returncode:
        raise ConvertError(f"llama.cpp ended with code {run.returncode} at {path}: the file is not sound.")
    told = json.loads(run.stdout)
    if "error" in told:
        raise ConvertError(told["error"])
    return str(told["done"])
