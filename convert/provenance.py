"""What a file says about where it comes from, under quietroom.*; never a path of this machine and never a token.

| key | value |
|---|---|
| quietroom.base.name, .revision | folder or repository, and the commit where the hub's cache tells it |
| quietroom.base.files, .sha256 | the weights' files and their SHA-256, as the hub shows them |
| quietroom.adapter.names, .revisions, .sha256 | the same of the adapters, in the order of the command line |
| quietroom.base.precision | nf4 where the base was rounded as QLoRA training did, else left out |
| quietroom.recipe, .versions | the type asked for; the programs that made the file |
| quietroom.date | SOURCE_DATE_EPOCH in UTC; left out when it is not set, so that two runs give the same bytes |
| quietroom.tensors.sha256 | the SHA-256 of each tensor's bytes, in the order of the file |
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from convert.errors import ConvertError
from convert.tensors import Metadata

BLANK = "0" * 64  # as long as a SHA-256 in hex: filled in when the file is read and written
BASE_PRECISION = "quietroom.base.precision"
BASE_HASHES = "quietroom.base.sha256"
ADAPTER_HASHES = "quietroom.adapter.sha256"
TENSOR_HASHES = "quietroom.tensors.sha256"
PROGRAMS = ("quietroom", "llama-cpp-python", "numpy")


@dataclass(frozen=True)
class Origin:
    """Where a folder comes from: a name, and the commit of a repository, or "" where nothing tells it."""

    name: str
    revision: str


def origin(folder: Path) -> Origin:
    """Return where `folder` comes from; a snapshot in the hub's cache tells its repository and commit."""
    folder = folder.resolve()
    repository, between = folder.parent.parent.name, folder.parent.name
    if between == "snapshots" and repository.startswith("models--"):
        return Origin(repository.removeprefix("models--").replace("--", "/"), folder.name)
    return Origin(folder.name, "")


def provenance(base: Path, weights: Iterable[Path], recipe: str, adapters: Sequence[Path]) -> Metadata:
    """Return the metadata of a file made from the `weights` of `base` and from adapters' folders, hashes blank.

    Raises ConvertError when SOURCE_DATE_EPOCH is no time.
    """
    place, files = origin(base), [path.name for path in weights]
    metadata: Metadata = {"quietroom.base.name": place.name}
    if place.revision:
        metadata["quietroom.base.revision"] = place.revision
    metadata |= {"quietroom.base.files": files, BASE_HASHES: [BLANK for _ in files]}
    if adapters:
        places = [origin(folder) for folder in adapters]
        metadata |= {
            "quietroom.adapter.names": [place.name for place in places],
            "quietroom.adapter.revisions": [place.revision for place in places],
            ADAPTER_HASHES: [BLANK for _ in places],
        }
    metadata |= {"quietroom.recipe": recipe, "quietroom.versions": versions()}
    if date := _date():
        metadata["quietroom.date"] = date
    return metadata


def versions() -> str:
    """Return the programs that decide on the bytes, with their versions."""
    return ", ".join(f"{name} {_version(name)}" for name in PROGRAMS)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        # In a frozen program.
        return "unknown"


def _date() -> str:
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if not seconds:
        return ""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise ConvertError(f"SOURCE_DATE_EPOCH is {seconds!r}, which is no time in seconds since 1970.") from error
