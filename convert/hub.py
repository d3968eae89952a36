"""Fetches a base or an adapter from the Hugging Face hub into its cache; the only part that opens the network.

huggingface_hub does the work. It drops half a file when it is stopped (2.4), so large files are first brought into
the cache's own place for them, from wherever an earlier run got to. No text of an exception is shown: addresses
may carry signatures.
"""

import errno
import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, get_token, hf_hub_url, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils import build_hf_headers, disable_progress_bars

from convert.errors import ConvertError
from convert.tensors import listing

PAPERS = ("LICENSE*", "USE_POLICY*", "README.md")
TOKENIZER = (
    "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json",
    "vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja", "chat_template.json",
)  # fmt: skip
BASE = (
    "config.json",
    "generation_config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    *TOKENIZER,
    *PAPERS,
)
ADAPTER = ("adapter_config.json", "adapter_model.safetensors", *TOKENIZER, *PAPERS)
CHUNK = 1 << 22


@dataclass(frozen=True)
class Fetched:
    """What is in the cache now: the folder, the commit, and the bytes of its files."""

    folder: Path
    commit: str
    size: int


@dataclass(frozen=True)
class Remote:
    """A file on the hub: `sha256` where it is kept apart from git, else the git hash `blob`."""

    name: str
    size: int
    blob: str
    sha256: str | None


def fetch(repository: str, revision: str | None, *, adapter: bool) -> Fetched:
    """Bring the files that a conversion needs into the hub's cache and check them. Raises ConvertError."""
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    if not sys.stderr.isatty():
        disable_progress_bars()
    # Folders inside hold other forms of the same model.
    chosen = partial(
        snapshot_download, repository, revision=revision,
        allow_patterns=list(ADAPTER if adapter else BASE), ignore_patterns="*/*",
    )  # fmt: skip
    with _worded(repository, revision):
        if constants.HF_HUB_OFFLINE:
            folder = Path(chosen(local_files_only=True))
            return Fetched(folder, folder.name, sum(file.stat().st_size for file in folder.iterdir()))
        commit, files = _wanted(repository, revision, adapter)
        _check_room(repository, files)
        for file in files:
            if file.sha256:
                _bring(repository, commit, file)
        folder = Path(chosen())
    if folder.name != commit:
        raise ConvertError(f"{repository} was changed while it was being fetched; run the command again.")
    for file in files:
        _check(folder / file.name, file)
    return Fetched(folder, commit, sum(file.size for file in files))


def _wanted(repository: str, revision: str | None, adapter: bool) -> tuple[str, list[Remote]]:
    """Return the commit and the files that are wanted of it. Raises ConvertError when needed ones are missing."""
    info = HfApi().model_info(repository, revision=revision, files_metadata=True)
    patterns = ADAPTER if adapter else BASE
    found = info.siblings or []
    files = [
        Remote(entry.rfilename, entry.size or 0, entry.blob_id or "", entry.lfs.sha256 if entry.lfs else None)
        for entry in found
        if any(fnmatch(entry.rfilename, pattern) for pattern in patterns) and "/" not in entry.rfilename
    ]
    names = {file.name for file in files}
    needed = {"adapter_config.json"} if adapter else {"config.json"}
    weights = [name for name in names if name.endswith(".safetensors")]
    if not needed <= names or not weights:
        kind = "an adapter" if adapter else "a base model"
        other = [entry.rfilename for entry in found if entry.rfilename.endswith((".bin", ".gguf", ".safetensors"))]
        seen = f"; it has {listing(sorted(other))}" if other else ""
        hint = "" if adapter or "adapter_config.json" not in {e.rfilename for e in found} else " (add --adapter)"
        raise ConvertError(f"{repository} does not hold {kind} in safetensors{seen}; name another one{hint}.")
    return info.sha or "", files


def _cache(repository: str) -> Path:
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")


def _check_room(repository: str, files: list[Remote]) -> None:
    """Check that what is still missing fits on the disk."""
    cache = _cache(repository)
    cache.mkdir(parents=True, exist_ok=True)
    missing = 0
    for file in files:
        blob = cache / "blobs" / (file.sha256 or file.blob)
        if not blob.exists():
            part = _part(blob)
            missing += file.size - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(cache).free
    if missing > free:
        raise ConvertError(
            f"{repository} needs {missing / 1e6:,.1f} MB more in {cache.parent}, but its disk has only "
            f"{free / 1e6:,.1f} MB free; make room or set HF_HOME to another disk."
        )


def _bring(repository: str, commit: str, file: Remote) -> None:
    """Bring a large file into the cache, from where an earlier run stopped, and check it before it gets its name."""
    blob = _cache(repository) / "blobs" / (file.sha256 or "")
    if blob.exists():
        return
    blob.parent.mkdir(parents=True, exist_ok=True)
    part = _part(blob)
    with part.open("ab") as target:
        reached = target.tell()
        if reached < file.size:
            url = hf_hub_url(repository, file.name, revision=commit)
            headers = build_hf_headers()
            http_get(url, target, resume_size=reached, headers=headers, expected_size=file.size)
        target.flush()
        os.fsync(target.fileno())
    _check(part, file)
    part.replace(blob)


def _part(blob: Path) -> Path:
    return blob.with_name(blob.name + ".quietroom.part")


def _check(path: Path, file: Remote) -> None:
    """Compare a file with the hash that the hub gives; one that differs is removed. Raises ConvertError."""
    size = path.stat().st_size
    # A git blob's hash is SHA-1 over its kind, its length and its bytes.
    digest = hashlib.sha256() if file.sha256 else hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while data := stream.read(CHUNK):
            digest.update(data)
    if digest.hexdigest() != (file.sha256 or file.blob):
        path.resolve().unlink()
        raise ConvertError(f"{file.name} came damaged and was removed; run the command again to fetch it anew.")


@contextmanager
def _worded(repository: str, revision: str | None) -> Iterator[None]:
    """Turn what huggingface_hub raises into one sentence each."""
    host = constants.ENDPOINT
    try:
        yield
    except HFValidationError as error:
        raise ConvertError(f"{repository!r} is not the name of a repository, such as owner/name.") from error
    except GatedRepoError as error:
        how = "ask for access there" if get_token() else "and log in with `hf auth login` or set HF_TOKEN"
        raise ConvertError(
            f"{repository} is gated: accept its licence at {host}/{repository}, {how}, and run the command again."
        ) from error
    except RevisionNotFoundError as error:
        raise ConvertError(f"{repository} has no revision {revision}; look at {host}/{repository}/commits.") from error
    except RepositoryNotFoundError as error:
        why = "the token does not allow it" if get_token() else "it is private, which needs HF_TOKEN"
        raise ConvertError(
            f"There is no repository {repository} on {host}, or {why}; check the spelling of its name."
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ConvertError(
            f"{repository} is not whole in the cache, and the network is off or out of reach; connect "
            "(HF_HUB_OFFLINE unset) and run the command again."
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        what = "does not accept the token (HF_TOKEN or `hf auth login`)" if status == 401 else f"answered {status}"
        raise ConvertError(f"{host} {what}; what has come is kept, so run the command again later.") from error
    except httpx2.HTTPError as error:
        raise ConvertError(
            f"The connection to {host} failed; what has come is kept: run the command again to go on from there."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            sentence = "The disk is full; what has come is kept: make room and run the command again."
        else:
            sentence = f"{repository} could not be fetched whole; what has come is kept: run the command again."
        raise ConvertError(sentence) from error
