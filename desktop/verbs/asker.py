"""Where the terminal gets a passphrase or a code. Never keeps one beyond the command that asked."""

import getpass
import os
import sys
from pathlib import Path

from desktop import i18n
from desktop.errors import UserError

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
