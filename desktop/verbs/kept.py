"""Commands on what is kept beside talks and entries: notes, the plan, pictures, the calendar. Never opens a vault."""

import argparse
import sys
from datetime import date
from pathlib import Path

from desktop.flows.desk import Desk
from desktop.flows.notes import PLAN
from desktop.records import NoteKind
from desktop.verbs.options import Commands, add_folder
from desktop.verbs.terminal import moment, print_fields, stdin_text

SECTIONS = {kind.value.removeprefix("plan_"): kind for kind in PLAN}
KINDS = {kind.value: kind for kind in NoteKind if kind not in PLAN}


def add_commands(commands: Commands) -> None:
    """Adds these commands to the command line."""
    _add_notes(commands)
    _add_plan(commands)
    attach = commands.add_parser("attach", help="keep a copy of a picture inside the journal, with an entry")
    attach.add_argument("id", metavar="ID", help="the entry's id")
    attach.add_argument("file", type=Path, metavar="FILE", help="PNG, JPEG, GIF or WebP")
    attach.set_defaults(act=_attach, writes=True)
    pictures = commands.add_parser("pictures", help="list the pictures of an entry")
    pictures.add_argument("id", metavar="ID")
    pictures.set_defaults(act=_pictures, writes=False)
    calendar = commands.add_parser("calendar", help="the days that hold something")
    calendar.add_argument("--from", dest="first", type=_day, default=date.min, metavar="DATE")
    calendar.add_argument("--to", dest="last", type=_day, default=date.max, metavar="DATE")
    calendar.set_defaults(act=_calendar, writes=False)
    past = commands.add_parser("on-this-day", help="what was written on this day in earlier years")
    past.add_argument("--day", type=_day, metavar="DATE", help="another day than today")
    past.set_defaults(act=_on_this_day, writes=False)
    add_folder(attach, pictures, calendar, past)


def _add_notes(commands: Commands) -> None:
    note = commands.add_parser("note", help="values, goals and things to know about you")
    actions = note.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="keep what comes on stdin as a note; prints its id")
    add.add_argument("--kind", choices=KINDS, required=True)
    add.set_defaults(act=_add_note, writes=True)
    listed = actions.add_parser("list", help="list the notes")
    listed.set_defaults(act=_notes, writes=False)
    edit = actions.add_parser("edit", help="replace a note by what comes on stdin; the old one is kept")
    edit.set_defaults(act=_edit_note, writes=True)
    history = actions.add_parser("history", help="what a note was before")
    history.set_defaults(act=_note_history, writes=False)
    for command in (edit, history):
        command.add_argument("id", metavar="ID")
    add_folder(note, add, listed, edit, history)


def _add_plan(commands: Commands) -> None:
    plan = commands.add_parser("plan", help="the plan for hard moments")
    actions = plan.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="print it")
    show.set_defaults(act=_show_plan, writes=False)
    edit = actions.add_parser("edit", help="replace a section by what comes on stdin; the old one is kept")
    edit.add_argument("section", choices=SECTIONS)
    edit.set_defaults(act=_edit_plan, writes=True)
    add_folder(plan, show, edit)


def _add_note(desk: Desk, arguments: argparse.Namespace) -> None:
    sys.stdout.write(desk.notes.add(KINDS[arguments.kind], stdin_text()).id + "\n")


def _notes(desk: Desk, _arguments: argparse.Namespace) -> None:
    """Lists the notes: id, kind, words."""
    for note in desk.notes.notes(KINDS.values()):
        print_fields(note.id, note.kind.value, note.text)


def _edit_note(desk: Desk, arguments: argparse.Namespace) -> None:
    desk.notes.edit(arguments.id, stdin_text())


def _note_history(desk: Desk, arguments: argparse.Namespace) -> None:
    """Lists what a note was: when it was replaced, words."""
    for saved_at, words in desk.notes.versions(arguments.id):
        print_fields(moment(saved_at), words)


def _show_plan(desk: Desk, _arguments: argparse.Namespace) -> None:
    names = {kind: name for name, kind in SECTIONS.items()}
    for kind, note in desk.notes.plan().items():
        sys.stdout.write(f"# {names[kind]}\n\n{note.text}\n\n")


def _edit_plan(desk: Desk, arguments: argparse.Namespace) -> None:
    desk.notes.edit_plan(SECTIONS[arguments.section], stdin_text())


def _attach(desk: Desk, arguments: argparse.Namespace) -> None:
    sys.stdout.write(desk.kept.attach(arguments.id, arguments.file).id + "\n")


def _pictures(desk: Desk, arguments: argparse.Namespace) -> None:
    """Lists the pictures of an entry: id, kind, bytes, name."""
    for picture in desk.kept.pictures(arguments.id):
        print_fields(picture.id, picture.media_type, str(picture.size), picture.name)


def _calendar(desk: Desk, arguments: argparse.Namespace) -> None:
    """Lists the days: day, talks, entries, exercises, moods."""
    for day in desk.kept.days(arguments.first, arguments.last):
        moods = ",".join(map(str, day.moods))
        print_fields(day.day, str(day.sessions), str(day.entries), str(day.exercises), moods)


def _on_this_day(desk: Desk, arguments: argparse.Namespace) -> None:
    """Lists what was written: kind, id, when, title."""
    for kept in desk.kept.on_this_day(arguments.day):
        print_fields(kept.kind, kept.id, moment(kept.created_at), kept.title)


def _day(text: str) -> date:
    """A day as YYYY-MM-DD. Raises ArgumentTypeError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a day such as 2026-11-24") from None
