"""Taking the journal out. Never shows what is in it."""

import argparse
from datetime import date
from pathlib import Path

from desktop import i18n
from desktop.carried import KINDS, Selection
from desktop.export import FORMATS
from desktop.verbs.asker import Asker
from desktop.verbs.options import Commands, add_folder, asker_of, folder_of
from desktop.verbs.terminal import say
from desktop.work import exporting, locking

# Other words for the kinds that may come to mind.
_KINDS = {**{kind: kind for kind in KINDS}, "talk": "session", "journal": "entry"}


def add_commands(commands: Commands) -> None:
    """Adds these commands to the command line."""
    export = commands.add_parser("export", help="write the journal to a file or a folder, in a form that others read")
    export.add_argument("--format", choices=FORMATS, required=True)
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="for markdown: a folder")
    export.add_argument("--from", dest="start", type=_day, metavar="DATE", help="not before this day")
    export.add_argument("--to", dest="end", type=_day, metavar="DATE", help="not after this day")
    export.add_argument("--kind", action="append", choices=_KINDS, help="this kind alone; may be given several times")
    export.add_argument("--session", metavar="ID", help="this talk alone")
    export.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    export.add_argument("--encrypt", action="store_true", help="lock the file by a passphrase, in the age format")
    export.add_argument(
        "--export-passphrase-file",
        type=Path,
        metavar="FILE",
        help="its first line is the passphrase for --encrypt; without it the one of --passphrase-file is taken",
    )
    export.set_defaults(run=_export)
    add_folder(export)


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a day such as 2026-11-24") from error


def _export(arguments: argparse.Namespace) -> None:
    folder, out, row = folder_of(arguments), arguments.out, FORMATS[arguments.format]
    chosen = Selection(
        arguments.start or "",
        arguments.end or "",
        frozenset(_KINDS[kind] for kind in arguments.kind or KINDS),
        arguments.session,
    )
    way = locking.opener(folder, asker_of(arguments))
    words = None
    if arguments.encrypt:
        words = Asker(arguments.export_passphrase_file or arguments.passphrase_file, "exported.new").new_passphrase()
    exporting.export(folder, way, arguments.format, out, overwrite=arguments.overwrite, chosen=chosen, passphrase=words)
    say(i18n.text("notices.exported" if words is None else "exported.encrypted", path=str(out)))
    say(i18n.text(row.left_out))
