"""Commands on what is in the journal: talks, entries, search, the bin. Never opens a vault: a desk is handed in."""

import argparse
import sys
from dataclasses import asdict, replace

from desktop import i18n
from desktop.flows.desk import Desk
from desktop.flows.journal import Filter
from desktop.records import CheckIn
from desktop.verbs.options import Commands, add_folder, gauge
from desktop.verbs.terminal import moment, print_fields, say, stdin_text


def add_commands(commands: Commands) -> None:
    """Adds these commands to the command line; `writes` says that one needs the vault for itself."""
    sessions = commands.add_parser("sessions", help="list the talks")
    sessions.set_defaults(act=_sessions, writes=False)
    search = commands.add_parser("search", help="find words in talks and entries")
    search.add_argument("words", nargs="+", metavar="TEXT", help='words, their beginnings, or "a phrase"')
    search.add_argument("--from", dest="start", default="", metavar="DATE", help="not before this day (UTC)")
    search.add_argument("--to", dest="end", default="", metavar="DATE", help="not after this day (UTC)")
    search.add_argument("--kind", choices=["message", "entry", "note", "exercise"])
    search.add_argument("--tag")
    search.add_argument("--least-mood", type=gauge, metavar="0-10")
    search.add_argument("--most-mood", type=gauge, metavar="0-10")
    search.set_defaults(act=_search, writes=False)
    add_folder(sessions, search)
    _add_journal(commands)
    _add_bin(commands)


def _add_journal(commands: Commands) -> None:
    journal = commands.add_parser("journal", help="write and read entries")
    actions = journal.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="keep what comes on stdin as an entry; prints its id")
    add.add_argument("--title", default="")
    add.add_argument("--tag", action="append")
    for name in ("mood", "tension", "energy", "sleep"):
        add.add_argument(f"--{name}", type=gauge, metavar="0-10")
    add.set_defaults(act=_add_entry, writes=True)
    entries = actions.add_parser("list", help="list the entries")
    entries.set_defaults(act=_entries, writes=False)
    show = actions.add_parser("show", help="print an entry")
    show.add_argument("--history", action="store_true", help="and what it was before")
    show.set_defaults(act=_show_entry, writes=False)
    edit = actions.add_parser("edit", help="replace an entry's text by what comes on stdin; the old one is kept")
    edit.set_defaults(act=_edit_entry, writes=True)
    for command in (show, edit):
        command.add_argument("id", metavar="ID")
    add_folder(journal, add, entries, show, edit)


def _add_bin(commands: Commands) -> None:
    binned = commands.add_parser("bin", help="what was deleted")
    actions = binned.add_subparsers(metavar="ACTION")
    listed = actions.add_parser("list", help="list it (the default)")
    for command in (binned, listed):
        command.set_defaults(act=_binned, writes=False)
    empty = actions.add_parser("empty", help="truly erase all in it")
    empty.set_defaults(act=_empty_bin, writes=True)
    put = actions.add_parser("put", help="delete a talk or an entry")
    put.set_defaults(act=lambda desk, arguments: desk.journal.delete(arguments.id), writes=True)
    back = actions.add_parser("back", help="take it back")
    back.set_defaults(act=lambda desk, arguments: desk.journal.take_back(arguments.id), writes=True)
    for command in (put, back):
        command.add_argument("id", metavar="ID")
    add_folder(binned, listed, empty, put, back)


def _sessions(desk: Desk, _arguments: argparse.Namespace) -> None:
    """Lists the talks: id, when it was last written in, title."""
    for session in desk.journal.sessions():
        print_fields(session.id, moment(session.updated_at), session.title)


def _search(desk: Desk, arguments: argparse.Namespace) -> None:
    """Lists where the words stand: kind, id to open it by, when, the place with the words in brackets."""
    chosen = Filter(
        kind=arguments.kind,
        start=arguments.start,
        end=arguments.end + "~",
        tag=arguments.tag,
        least_mood=arguments.least_mood,
        most_mood=arguments.most_mood,
    )
    for found in desk.journal.find(" ".join(arguments.words), chosen):
        text, last = "", 0
        for start, end in found.marks:
            text += found.text[last:start] + "[" + found.text[start:end] + "]"
            last = end
        text += found.text[last:]
        thing = found.session_id or "" if found.kind == "message" else found.id
        print_fields(found.kind, thing, moment(found.created_at), text)


def _entries(desk: Desk, _arguments: argparse.Namespace) -> None:
    """Lists the entries: id, when, title or first words."""
    for entry in desk.journal.entries():
        print_fields(entry.id, moment(entry.created_at), entry.title or entry.text[:60])


def _show_entry(desk: Desk, arguments: argparse.Namespace) -> None:
    """Prints an entry, and what it was before if asked."""
    before = desk.journal.versions(arguments.id) if arguments.history else []
    for entry in [*before, desk.journal.entry(arguments.id)]:
        check_in = {name: value for name, value in asdict(entry.check_in).items() if value is not None}
        lines = [f"# {entry.title}"] if entry.title else []
        lines += [f"{moment(entry.updated_at)} {entry.zone}"]
        lines += [", ".join(f"{name} {value}" for name, value in check_in.items())] if check_in else []
        lines += [" ".join(f"#{tag}" for tag in entry.tags)] if entry.tags else []
        sys.stdout.write("\n".join(lines) + f"\n\n{entry.text}\n")


def _add_entry(desk: Desk, arguments: argparse.Namespace) -> None:
    """Keeps what comes on stdin as a new entry and prints its id."""
    check_in = CheckIn(arguments.mood, arguments.tension, arguments.energy, arguments.sleep)
    entry = desk.journal.add(stdin_text(), arguments.title, check_in, tuple(arguments.tag or ()))
    sys.stdout.write(entry.id + "\n")


def _edit_entry(desk: Desk, arguments: argparse.Namespace) -> None:
    """Replaces an entry's text by what comes on stdin; what it was is kept."""
    desk.journal.edit(replace(desk.journal.entry(arguments.id), text=stdin_text()))


def _binned(desk: Desk, _arguments: argparse.Namespace) -> None:
    for kind, thing, title, deleted_at in desk.journal.binned():
        print_fields(kind, thing, moment(deleted_at), title)


def _empty_bin(desk: Desk, _arguments: argparse.Namespace) -> None:
    say(i18n.text("notices.erased", count=desk.journal.empty_bin()))
