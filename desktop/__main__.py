"""The command line of `quietroom`: reads it and hands on. A UserError is one sentence and exit code 2."""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from desktop import __version__, i18n
from desktop.errors import UserError
from desktop.hardening import keep_out_of_dumps
from desktop.verbs import GROUPS
from desktop.verbs.options import add_folder, asker_of, folder_of


def main() -> int:
    """Runs the command line. Exit codes: 0 done, 2 something a person can act on, 130 on Ctrl-C."""
    keep_out_of_dumps()
    arguments = _parser().parse_args()
    try:
        return _run(arguments)
    except UserError as error:
        sys.stderr.write(i18n.error_text(error) + "\n")
        return 2
    except KeyboardInterrupt:
        return 130


def _run(arguments: argparse.Namespace) -> int:
    if arguments.run:
        arguments.run(arguments)
        return 0
    # The widgets are loaded only where they are needed.
    from desktop.app import faces

    folder, asker = folder_of(arguments), asker_of(arguments)
    if arguments.act:
        return faces.run_verb(folder, asker, lambda desk: arguments.act(desk, arguments), writes=arguments.writes)
    if arguments.command == "bench":
        from desktop.app import bench

        return bench.run(arguments.what, arguments.json)
    if arguments.command == "lock":
        return faces.run_lock(folder)
    if arguments.command is None and _has_screen():
        return faces.run_window(folder, asker if arguments.passphrase_file else None, arguments.model)
    if arguments.command is None:
        sys.stderr.write(i18n.text("notices.no_screen") + "\n")
    return faces.run_talk(folder, asker, arguments.model, getattr(arguments, "session", None))


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
    parser.set_defaults(data_dir=None, model=None, passphrase_file=None, run=None, act=None)
    add_folder(parser)
    _add_model(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    talk = commands.add_parser("talk", help="talk in the terminal; stdout carries the answers only")
    _add_model(talk)
    add_folder(talk)
    which = talk.add_mutually_exclusive_group()
    which.add_argument("--session", metavar="ID", help="go on with an earlier talk")
    which.add_argument(
        "--continue", action="store_const", dest="session", const="last", help="go on with the last talk"
    )
    which.add_argument(
        "--leave-nothing",
        action="store_const",
        dest="session",
        const="fleeting",
        help="a new talk of which nothing is kept",
    )
    which.add_argument("--new", action="store_true", help="start a new talk (the default)")
    for add_commands in GROUPS:
        add_commands(commands)
    add_folder(commands.add_parser("lock", help="lock the window that is open on this journal"))
    bench = commands.add_parser("bench", help="measure, in a temporary folder")
    bench.add_argument("what", choices=["window", "vault"])
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, metavar="GGUF", default=argparse.SUPPRESS, help="the model to talk with")


if __name__ == "__main__":
    sys.exit(main())
