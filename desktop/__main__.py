"""The command line of `quietroom`: reads it and hands on. A UserError is one sentence and exit code 2."""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from desktop import __version__, i18n, paths, verbs
from desktop.errors import UserError
from desktop.export import FORMATS
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
        case "rekey":
            verbs.rekey(folder, asker)
            return 0
    # Qt is loaded only where it is needed.
    from desktop import app

    if arguments.command == "bench":
        return app.run_bench()
    if arguments.command is None and _has_screen():
        return app.run_window(folder, asker.passphrase if arguments.passphrase_file else None, arguments.model)
    if arguments.command is None:
        sys.stderr.write(i18n.text("notices.no_screen") + "\n")
    return app.run_talk(folder, asker.passphrase, arguments.model, getattr(arguments, "session", None))


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
    rekey = commands.add_parser("rekey", help="make a new key and write the journal anew under it")
    for command in (talk, export, passphrase, unlock, rekey):
        _add_folder(command)
    bench = commands.add_parser("bench", help="measure, in a temporary folder")
    bench.add_argument("what", choices=["window"])
    return parser


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
