"""The terminal's short commands: each does one thing and ends. Never talks; that is `desktop.talk`."""

import getpass
import os
import sys
from pathlib import Path

from desktop import i18n
from desktop.errors import UserError
from desktop.work import exporting, locking

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
    exporting.export(folder, locking.opener(folder, asker.passphrase), format_name, out, overwrite=overwrite)
    _say(i18n.text("notices.exported", path=str(out)))


def passphrase(folder: Path, asker: Asker, new: Asker, *, remove: bool) -> None:
    """Sets, changes or removes the passphrase; a new recovery code goes to stdout, once."""
    way = locking.opener(folder, asker.passphrase)
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
    way = locking.opener(folder, asker.passphrase)
    _give_code(locking.rekey(folder, way, asker.passphrase))
    _say(i18n.text("unlock.rekeyed"))


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
