"""The command line of `quietroom`: reads it and hands on. A UserError is one sentence and exit code 2."""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

from desktop import __version__, i18n, paths, verbs
from desktop.errors import UserError
from desktop.export import FORMATS
from desktop.flows.journal import Filter, JournalFlow
from desktop.records import CheckIn
from desktop.verbs import Asker


def main() -> int:
    """Runs the command line. Exit codes: 0 done, 2 something a person can act on, 130 on Ctrl-C."""
    arguments = _parser().parse_args()
    try:
        return _run(arguments)
    except UserError as error:
        sys.stderr.write(i18n.error_text(error) + "\n")
        return 2
    except KeyboardInterrupt:
        return 130


def _run(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.data_dir or paths.data_folder()
    asker = Asker(arguments.passphrase_file)
    match arguments.command:
        case "export":
            verbs.export(folder, asker, arguments.format, arguments.out, overwrite=arguments.overwrite)
            return 0
        case "passphrase":
            new = Asker(arguments.new_passphrase_file, "unlock.new")
            verbs.passphrase(folder, asker, new, remove=arguments.remove)
            return 0
        case "unlock":
            new = Asker(arguments.new_passphrase_file, "unlock.new")
            verbs.unlock(folder, Asker(arguments.recovery_file, "unlock.code"), new)
            return 0
        case "backup":
            verbs.backup(folder, asker, arguments.file, overwrite=arguments.overwrite)
            return 0
        case "restore":
            verbs.restore(folder, asker, arguments.file)
            return 0
        case "erase":
            verbs.erase(folder, arguments.name)
            return 0
        case "rekey":
            verbs.rekey(folder, asker)
            return 0
    # The widgets are loaded only where they are needed.
    from desktop import app

    if verb := _journal_verb(arguments):
        act, writes = verb
        return app.run_verb(folder, asker, act, writes=writes)
    if arguments.command == "bench":
        return app.run_bench(arguments.what, arguments.json)
    if arguments.command is None and _has_screen():
        return app.run_window(folder, asker if arguments.passphrase_file else None, arguments.model)
    if arguments.command is None:
        sys.stderr.write(i18n.text("notices.no_screen") + "\n")
    return app.run_talk(folder, asker, arguments.model, getattr(arguments, "session", None))


def _journal_verb(arguments: argparse.Namespace) -> tuple[Callable[[JournalFlow], None], bool] | None:
    """What a command does with the journal, and whether it writes in it."""
    match arguments.command, getattr(arguments, "action", None):
        case "sessions", _:
            return verbs.sessions, False
        case "search", _:
            chosen = Filter(
                kind=arguments.kind,
                start=arguments.start,
                end=arguments.end + "~",
                tag=arguments.tag,
                least_mood=arguments.least_mood,
                most_mood=arguments.most_mood,
            )
            return partial(verbs.search, words=" ".join(arguments.words), chosen=chosen), False
        case "journal", "list":
            return verbs.journal_list, False
        case "journal", "show":
            return partial(verbs.journal_show, entry_id=arguments.id, history=arguments.history), False
        case "journal", "add":
            check_in = CheckIn(arguments.mood, arguments.tension, arguments.energy, arguments.sleep)
            add = partial(verbs.journal_add, title=arguments.title, check_in=check_in, tags=tuple(arguments.tag or ()))
            return add, True
        case "journal", "edit":
            return partial(verbs.journal_edit, entry_id=arguments.id), True
        case "bin", action:
            bin_ = partial(verbs.show_bin, action=action or "list", thing_id=getattr(arguments, "id", None))
            return bin_, action in ("put", "back", "empty")
    return None


def _has_screen() -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, as for every other error."""
        self.exit(2, f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="quietroom",
        description="A private companion for talking things through. Without a command: the window.",
    )
    parser.add_argument("--version", action="version", version=f"quietroom {__version__}")
    parser.set_defaults(data_dir=None, model=None, passphrase_file=None)
    _add_folder(parser)
    _add_model(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    talk = commands.add_parser("talk", help="talk in the terminal; stdout carries the answers only")
    _add_model(talk)
    which = talk.add_mutually_exclusive_group()
    which.add_argument("--session", metavar="ID", help="go on with an earlier talk")
    which.add_argument(
        "--continue", action="store_const", dest="session", const="last", help="go on with the last talk"
    )
    which.add_argument("--new", action="store_true", help="start a new talk (the default)")
    export = commands.add_parser("export", help="write all talks to a file")
    export.add_argument("--format", choices=FORMATS, required=True)
    export.add_argument("--out", type=Path, required=True, metavar="FILE")
    export.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    passphrase = commands.add_parser("passphrase", help="set, change or remove the passphrase")
    passphrase.add_argument("--remove", action="store_true", help="open by a key file from now on")
    unlock = commands.add_parser("unlock", help="set a new passphrase by the recovery code")
    unlock.add_argument("--recovery", action="store_true", required=True, help="by the recovery code")
    unlock.add_argument("--recovery-file", type=Path, metavar="FILE", help="its first line is the recovery code")
    for command in (passphrase, unlock):
        command.add_argument("--new-passphrase-file", type=Path, metavar="FILE", help="its first line is the new one")
    backup = commands.add_parser("backup", help="write one encrypted file that holds everything")
    backup.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    restore = commands.add_parser(
        "restore", help="put the journal out of a backup in place; the present one is set aside"
    )
    for command in (backup, restore):
        command.add_argument("file", type=Path, metavar="FILE")
    erase = commands.add_parser("erase", help="erase everything, the keys first")
    erase.add_argument("--name", required=True, metavar="NAME", help="the name of the data folder, written out")
    sessions = commands.add_parser("sessions", help="list the talks")
    search = commands.add_parser("search", help="find words in talks and entries")
    search.add_argument("words", nargs="+", metavar="TEXT", help='words, their beginnings, or "a phrase"')
    search.add_argument("--from", dest="start", default="", metavar="DATE", help="not before this day (UTC)")
    search.add_argument("--to", dest="end", default="", metavar="DATE", help="not after this day (UTC)")
    search.add_argument("--kind", choices=["message", "entry"])
    search.add_argument("--tag")
    search.add_argument("--least-mood", type=_gauge, metavar="0-10")
    search.add_argument("--most-mood", type=_gauge, metavar="0-10")
    journal = commands.add_parser("journal", help="write and read entries")
    actions = journal.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="keep what comes on stdin as an entry; prints its id")
    add.add_argument("--title", default="")
    add.add_argument("--tag", action="append")
    for gauge in ("mood", "tension", "energy", "sleep"):
        add.add_argument(f"--{gauge}", type=_gauge, metavar="0-10")
    entries = actions.add_parser("list", help="list the entries")
    show = actions.add_parser("show", help="print an entry")
    show.add_argument("--history", action="store_true", help="and what it was before")
    edit = actions.add_parser("edit", help="replace an entry's text by what comes on stdin; the old one is kept")
    binned = commands.add_parser("bin", help="what was deleted")
    in_bin = binned.add_subparsers(dest="action", metavar="ACTION")
    list_bin = in_bin.add_parser("list", help="list it (the default)")
    empty = in_bin.add_parser("empty", help="truly erase all in it")
    put = in_bin.add_parser("put", help="delete a talk or an entry")
    back = in_bin.add_parser("back", help="take it back")
    for command in (show, edit, put, back):
        command.add_argument("id", metavar="ID")
    for command in (sessions, search, journal, add, entries, show, edit, binned, list_bin, empty, put, back):
        _add_folder(command)
    rekey = commands.add_parser("rekey", help="make a new key and write the journal anew under it")
    for command in (talk, export, passphrase, unlock, rekey, backup, restore, erase):
        _add_folder(command)
    bench = commands.add_parser("bench", help="measure, in a temporary folder")
    bench.add_argument("what", choices=["window", "vault"])
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    return parser


def _gauge(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 10:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 10")
    return int(text)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, metavar="FOLDER", default=argparse.SUPPRESS, help="where the journal lies"
    )
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="its first line is the passphrase",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, metavar="GGUF", default=argparse.SUPPRESS, help="the model to talk with")


if __name__ == "__main__":
    sys.exit(main())
