"""Commands of the safety layer: the screen, the guard, crisis lines, what was noticed. Never shows words."""

import argparse
import sys
from pathlib import Path

from desktop.flows import screening
from desktop.flows.desk import Desk
from desktop.verbs.options import Commands, add_folder
from desktop.verbs.terminal import moment, print_fields


def add_commands(commands: Commands) -> None:
    """Adds these commands to the command line."""
    screen = commands.add_parser("screen", help="read messages for danger: JSON lines in, JSON lines out")
    screen.add_argument("--json", action="store_true", required=True, help='each line: {"text", "turns" (optional)}')
    screen.set_defaults(run=_screen)
    guard = commands.add_parser("guard", help="hold back what an answer may not say: JSON lines in, JSON lines out")
    guard.add_argument("--json", action="store_true", required=True, help='each line: {"answer"}')
    guard.set_defaults(run=_guard)
    report = commands.add_parser("safety-report", help="how the screen does on labelled rows, as Markdown")
    report.add_argument("--rows", type=Path, default=screening.ROWS, metavar="JSONL")
    report.set_defaults(run=_report)
    lines = commands.add_parser("lines", help="crisis lines and emergency numbers of a country")
    lines.add_argument("code", nargs="?", metavar="CC", help="the country's two letters; without it: all countries")
    lines.set_defaults(run=_lines)
    country = commands.add_parser("country", help="choose the country whose crisis lines are shown")
    country.add_argument("code", metavar="CC", help="its two letters; `quietroom lines` has them all")
    country.set_defaults(act=_choose_country, writes=True)
    noticed = commands.add_parser("noticed", help="what was noticed of danger: level and category, no words")
    actions = noticed.add_subparsers(metavar="ACTION")
    listed = actions.add_parser("list", help="list it (the default)")
    for command in (noticed, listed):
        command.set_defaults(act=_list_noticed, writes=False)
    delete = actions.add_parser("delete", help="delete one, or all of it")
    delete.add_argument("id", metavar="ID", help='or the word "all"')
    delete.set_defaults(act=_delete_noticed, writes=True)
    add_folder(country, noticed, listed, delete)


def _screen(_: argparse.Namespace) -> None:
    for line in screening.verdicts(sys.stdin.buffer):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _guard(_: argparse.Namespace) -> None:
    for line in screening.guarded(sys.stdin.buffer):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _report(arguments: argparse.Namespace) -> None:
    sys.stdout.write(screening.safety_report(arguments.rows))


def _lines(arguments: argparse.Namespace) -> None:
    for line in screening.help_lines(arguments.code and arguments.code.upper()):
        sys.stdout.write(line + "\n")


def _choose_country(desk: Desk, arguments: argparse.Namespace) -> None:
    desk.disclosure.choose_country(arguments.code.upper())


def _list_noticed(desk: Desk, _: argparse.Namespace) -> None:
    """Lists what was noticed: id, when, level, category."""
    for event in desk.noticed.events():
        print_fields(event.id, moment(event.created_at), event.level, event.category)


def _delete_noticed(desk: Desk, arguments: argparse.Namespace) -> None:
    if arguments.id == "all":
        desk.noticed.delete_all()
    else:
        desk.noticed.delete(arguments.id)
