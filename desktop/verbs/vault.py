"""Commands on the vault as a whole: locks, backup, erasing. Never shows what is in it."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from desktop import i18n
from desktop.errors import UserError
from desktop.verbs.asker import Asker
from desktop.verbs.options import Commands, add_folder, asker_of, folder_of
from desktop.verbs.terminal import say
from desktop.work import keeping, locking


def add_commands(commands: Commands) -> None:
    """Adds these commands to the command line."""
    passphrase = commands.add_parser("passphrase", help="set, change or remove the passphrase")
    passphrase.add_argument("--remove", action="store_true", help="open by a key file from now on")
    passphrase.set_defaults(run=_passphrase)
    unlock = commands.add_parser("unlock", help="set a new passphrase by the recovery code")
    unlock.add_argument("--recovery", action="store_true", required=True, help="by the recovery code")
    unlock.add_argument("--recovery-file", type=Path, metavar="FILE", help="its first line is the recovery code")
    unlock.set_defaults(run=_unlock)
    for command in (passphrase, unlock):
        command.add_argument("--new-passphrase-file", type=Path, metavar="FILE", help="its first line is the new one")
    login = commands.add_parser("login", help="let this computer's login open the journal as well, or no more")
    login.add_argument("state", choices=["on", "off"])
    login.set_defaults(run=_login)
    add_folder(login)
    rekey = commands.add_parser("rekey", help="make a new key and write the journal anew under it")
    rekey.set_defaults(run=_rekey)
    backup = commands.add_parser("backup", help="write one encrypted file that holds everything")
    backup.set_defaults(run=_backup)
    restore = commands.add_parser(
        "restore", help="put the journal out of a backup in place; the present one is set aside"
    )
    restore.set_defaults(run=_restore)
    for command in (backup, restore):
        command.add_argument("file", type=Path, metavar="FILE")
    backup.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    erase = commands.add_parser("erase", help="erase everything, the keys first")
    erase.add_argument("--name", required=True, metavar="NAME", help="the name of the data folder, written out")
    erase.set_defaults(run=_erase)
    add_folder(passphrase, unlock, rekey, backup, restore, erase)


def introduce(code: str | None) -> None:
    """What a person should know of a journal that was just made: its recovery code, or that it has no lock."""
    if code is None:
        say(i18n.text("unlock.by_file"))
    else:
        say(i18n.text("unlock.code_terminal") + "\n" + code)


def _passphrase(arguments: argparse.Namespace) -> None:
    """Sets, changes or removes the passphrase; a new recovery code goes to stdout, once."""
    folder = folder_of(arguments)
    way = locking.opener(folder, asker_of(arguments))
    if arguments.remove:
        locking.relock(folder, way, None)
        say(i18n.text("unlock.opened_up"))
        return
    _give_code(locking.relock(folder, way, _new_words(arguments)))


def _unlock(arguments: argparse.Namespace) -> None:
    """Opens the vault by its recovery code and sets a new passphrase; a new code goes to stdout, once."""
    folder = folder_of(arguments)
    code = Asker(arguments.recovery_file, "unlock.code").passphrase()
    if code is None:
        raise UserError("recovery_needed")
    way = locking.by_recovery(folder, code)
    _give_code(locking.relock(folder, way, _new_words(arguments)))


def _login(arguments: argparse.Namespace) -> None:
    folder, is_on = folder_of(arguments), arguments.state == "on"
    locking.set_login(folder, locking.opener(folder, asker_of(arguments)), is_on=is_on)
    say(i18n.text("rehearsal.login_on" if is_on else "rehearsal.login_off"))


def _rekey(arguments: argparse.Namespace) -> None:
    """Gives the vault a new data key; a new recovery code goes to stdout, once."""
    folder, asker = folder_of(arguments), asker_of(arguments)
    way = locking.opener(folder, asker)
    _give_code(locking.rekey(folder, way, asker.passphrase))
    say(i18n.text("unlock.rekeyed"))


def _backup(arguments: argparse.Namespace) -> None:
    folder, out = folder_of(arguments), arguments.file
    way = locking.opener(folder, asker_of(arguments))
    count = keeping.backup(folder, way, out, overwrite=arguments.overwrite)
    say(i18n.text("notices.backed_up", path=str(out), count=count))


def _restore(arguments: argparse.Namespace) -> None:
    folder = folder_of(arguments)
    aside = folder / f"set-aside-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    keeping.restore(arguments.file, folder, asker_of(arguments).passphrase, aside)
    say(i18n.text("notices.restored", path=str(aside)))


def _erase(arguments: argparse.Namespace) -> None:
    keeping.erase(folder_of(arguments), arguments.name)
    say(i18n.text("notices.all_erased"))


def _new_words(arguments: argparse.Namespace) -> str:
    return Asker(arguments.new_passphrase_file, "unlock.new").new_passphrase()


def _give_code(code: str | None) -> None:
    if code is not None:
        say(i18n.text("unlock.code_terminal"))
        sys.stdout.write(code + "\n")
