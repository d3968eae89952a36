"""Commands that show what the safety layer does, for evaluation. Never needs a data folder, never writes one."""

import argparse
import sys
from pathlib import Path

from desktop.flows import screening
from desktop.verbs.options import Commands


def add_commands(commands: Commands) -> None:
    """Adds these commands to the command line."""
    screen = commands.add_parser("screen", help="read messages for danger: JSON lines in, JSON lines out")
    screen.add_argument("--json", action="store_true", required=True, help='each line: {"text", "turns" (optional)}')
    screen.set_defaults(run=_screen)
    report = commands.add_parser("safety-report", help="how the screen does on labelled rows, as Markdown")
    report.add_argument("--rows", type=Path, default=screening.ROWS, metavar="JSONL")
    report.set_defaults(run=_report)


def _screen(_: argparse.Namespace) -> None:
    for line in screening.verdicts(sys.stdin.buffer):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _report(arguments: argparse.Namespace) -> None:
    sys.stdout.write(screening.safety_report(arguments.rows))
