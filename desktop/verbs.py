"""The terminal's short commands: each does one thing and ends. Never talks; that is `desktop.talk`."""

import getpass
import os
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from desktop import i18n
from desktop.errors import UserError
from desktop.flows.journal import Filter, JournalFlow
from desktop.records import CheckIn
from desktop.work import exporting, keeping, locking

STDIN, STDERR = 0, 2


class Asker:
    """Where a passphrase or code comes from: a file where one is named, else the person at the terminal.

    What was given once is remembered for as long as the command runs.
    """

    def __init__(self, file: Path | None, question: str = "unlock.passphrase") -> None:
        self._file = file
        self._question = question
        self._given: str | None = None

    def passphrase(self) -> str | None:
        """The words, or None where there is no file and nobody to ask. Raises UserError("passphrase_file")."""
        if self._given is None and self._file:
            self._given = _first_line(self._file)
        elif self._given is None and os.isatty(STDIN) and os.isatty(STDERR):
            self._given = getpass.getpass(i18n.text(self._question) + " ", sys.stderr)
        return self._given

    def first_passphrase(self) -> str | None:
        """The words in the file, None where none is named. Raises UserError("passphrase_file")."""
        return self.passphrase() if self._file else None

    def new_passphrase(self) -> str:
        """A new passphrase, asked for twice at a terminal.

        Raises UserError: new_passphrase_needed, passphrase_differs, passphrase_file.
        """
        words = self.passphrase()
        if words is None:
            raise UserError("new_passphrase_needed")
        if not self._file and getpass.getpass(i18n.text("unlock.again") + " ", sys.stderr) != words:
            raise UserError("passphrase_differs")
        return words


def _first_line(file: Path) -> str:
    """The first line of a file that holds a passphrase or a code. Raises UserError("passphrase_file")."""
    try:
        return file.read_text("utf-8").split("\n")[0].rstrip("\r")
    except (OSError, ValueError) as error:
        raise UserError("passphrase_file", path=str(file)) from error


def export(folder: Path, asker: Asker, format_name: str, out: Path, *, overwrite: bool) -> None:
    """Writes all talks to a file."""
    exporting.export(folder, locking.opener(folder, asker), format_name, out, overwrite=overwrite)
    _say(i18n.text("notices.exported", path=str(out)))


def passphrase(folder: Path, asker: Asker, new: Asker, *, remove: bool) -> None:
    """Sets, changes or removes the passphrase; a new recovery code goes to stdout, once."""
    way = locking.opener(folder, asker)
    if remove:
        locking.relock(folder, way, None)
        _say(i18n.text("unlock.opened_up"))
        return
    words = new.new_passphrase()
    _give_code(locking.relock(folder, way, words))


def unlock(folder: Path, code: Asker, new: Asker) -> None:
    """Opens the vault by its recovery code and sets a new passphrase; a new code goes to stdout, once."""
    words = code.passphrase()
    if words is None:
        raise UserError("recovery_needed")
    way = locking.by_recovery(folder, words)
    _give_code(locking.relock(folder, way, new.new_passphrase()))


def rekey(folder: Path, asker: Asker) -> None:
    """Gives the vault a new data key; a new recovery code goes to stdout, once."""
    way = locking.opener(folder, asker)
    _give_code(locking.rekey(folder, way, asker.passphrase))
    _say(i18n.text("unlock.rekeyed"))


def backup(folder: Path, asker: Asker, out: Path, *, overwrite: bool) -> None:
    """Writes one encrypted file that holds everything."""
    count = keeping.backup(folder, locking.opener(folder, asker), out, overwrite=overwrite)
    _say(i18n.text("notices.backed_up", path=str(out), count=count))


def restore(folder: Path, asker: Asker, file: Path) -> None:
    """Puts the vault out of a backup in place; the present one is set aside."""
    aside = folder / f"set-aside-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    keeping.restore(file, folder, asker.passphrase, aside)
    _say(i18n.text("notices.restored", path=str(aside)))


def erase(folder: Path, name: str) -> None:
    """Erases everything, the keys first; `name` is the folder's own, written out by the person."""
    keeping.erase(folder, name)
    _say(i18n.text("notices.all_erased"))


def introduce(code: str | None) -> None:
    """What a person should know of a journal that was just made: its recovery code, or that it has no lock."""
    if code is None:
        _say(i18n.text("unlock.by_file"))
    else:
        _say(i18n.text("unlock.code_terminal") + "\n" + code)


def _give_code(code: str | None) -> None:
    if code is not None:
        _say(i18n.text("unlock.code_terminal"))
        sys.stdout.write(code + "\n")


def _say(words: str) -> None:
    sys.stderr.write(words + "\n")


def sessions(journal: JournalFlow) -> None:
    """Lists the talks: id, when it was last written in, title."""
    for session in journal.sessions():
        _print(session.id, _moment(session.updated_at), session.title)


def search(journal: JournalFlow, words: str, chosen: Filter) -> None:
    """Lists where the words stand: kind, id to open it by, when, the place with the words in brackets."""
    for found in journal.find(words, chosen):
        text, last = "", 0
        for start, end in found.marks:
            text += found.text[last:start] + "[" + found.text[start:end] + "]"
            last = end
        text += found.text[last:]
        thing = found.id if found.kind == "entry" else found.session_id or ""
        _print(found.kind, thing, _moment(found.created_at), text)


def journal_list(journal: JournalFlow) -> None:
    """Lists the entries: id, when, title or first words."""
    for entry in journal.entries():
        _print(entry.id, _moment(entry.created_at), entry.title or entry.text[:60])


def journal_show(journal: JournalFlow, entry_id: str, *, history: bool) -> None:
    """Prints an entry, and what it was before if asked."""
    for entry in [*(journal.versions(entry_id) if history else []), journal.entry(entry_id)]:
        check_in = {name: value for name, value in asdict(entry.check_in).items() if value is not None}
        lines = [f"# {entry.title}"] if entry.title else []
        lines += [f"{_moment(entry.updated_at)} {entry.zone}"]
        lines += [", ".join(f"{name} {value}" for name, value in check_in.items())] if check_in else []
        lines += [" ".join(f"#{tag}" for tag in entry.tags)] if entry.tags else []
        sys.stdout.write("\n".join(lines) + f"\n\n{entry.text}\n")


def journal_add(journal: JournalFlow, title: str, check_in: CheckIn, tags: tuple[str, ...]) -> None:
    """Keeps what comes on stdin as a new entry and prints its id."""
    sys.stdout.write(journal.add(_stdin_text(), title, check_in, tags).id + "\n")


def journal_edit(journal: JournalFlow, entry_id: str) -> None:
    """Replaces an entry's text by what comes on stdin; what it was is kept."""
    journal.edit(replace(journal.entry(entry_id), text=_stdin_text()))


def show_bin(journal: JournalFlow, action: str, thing_id: str | None) -> None:
    """Lists the bin, or puts something in, takes it back, or truly erases all in it."""
    if action == "put" and thing_id:
        journal.delete(thing_id)
    elif action == "back" and thing_id:
        journal.take_back(thing_id)
    elif action == "empty":
        _say(i18n.text("notices.erased", count=journal.empty_bin()))
    else:
        for kind, thing, title, deleted_at in journal.binned():
            _print(kind, thing, _moment(deleted_at), title)


def _stdin_text() -> str:
    text = sys.stdin.buffer.read().decode("utf-8", "replace").removesuffix("\n")
    if not text.strip():
        raise UserError("nothing_to_keep")
    return text


def _print(*fields: str) -> None:
    """One line, its fields apart by tabs, whatever they hold."""
    sys.stdout.write("\t".join(" ".join(field.split()) for field in fields) + "\n")


def _moment(time: str) -> str:
    return f"{time[:10]} {time[11:16]}Z"
