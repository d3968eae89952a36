"""What the work child can be asked: one row a job, JSON in and JSON out. Never the work itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from desktop.carried import Selection
from desktop.store.database import ByKey
from desktop.work import exporting, locking, login

Outcome = dict[str, Any]


def _export(
    folder: str, key: str, format_name: str, out: str, overwrite: bool, chosen: Outcome, passphrase: str | None
) -> Outcome:
    exporting.export(
        Path(folder),
        ByKey(bytes.fromhex(key)),
        format_name,
        Path(out),
        overwrite=overwrite,
        chosen=Selection(**{**chosen, "kinds": frozenset(chosen["kinds"])}),
        passphrase=passphrase,
    )
    return {"path": out}


def _unlock(folder: str, passphrase: str) -> Outcome:
    return {"key": locking.unlock(Path(folder), passphrase).hex()}


def _unlock_by_recovery(folder: str, code: str) -> Outcome:
    return {"key": locking.unlock_by_recovery(Path(folder), code).hex()}


def _set_passphrase(folder: str, key: str, passphrase: str) -> Outcome:
    return {"code": locking.set_passphrase(Path(folder), bytes.fromhex(key), passphrase)}


def _use_login_only(folder: str, key: str) -> Outcome:
    locking.use_login_only(Path(folder), bytes.fromhex(key))
    return {}


def _unlock_by_login(folder: str) -> Outcome:
    return {"key": login.unlock(Path(folder)).hex()}


def _set_login(folder: str, key: str, is_on: bool) -> Outcome:
    (login.turn_on if is_on else login.turn_off)(Path(folder), bytes.fromhex(key))
    return {"login": is_on}


def _check_recovery(folder: str, code: str) -> Outcome:
    locking.unlock_by_recovery(Path(folder), code)
    return {"rehearsed": True}


JOBS: dict[str, Callable[..., Outcome]] = {
    "export": _export,
    "unlock": _unlock,
    "unlock_by_recovery": _unlock_by_recovery,
    "set_passphrase": _set_passphrase,
    "use_login_only": _use_login_only,
    "unlock_by_login": _unlock_by_login,
    "set_login": _set_login,
    "check_recovery": _check_recovery,
}
