"""The whole journal as one JSON object, UTF-8, streamed. Never leaves out anything that lies outside the bin.

resources/schema/journal.json describes it. `generator` of a message is null for the person's own words, else who wrote
the text: `{"kind": "model", "name", "sha256"}` or `{"kind": "written"}` (a reply written by people, chosen by the
program). There is no time of the export, no path and no version of the program in it: the same journal gives the
same bytes.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from desktop import i18n
from desktop.carried import Belongings, CarriedEntry, CarriedExercise, CarriedNote, CarriedTalk, Versions
from desktop.export.shapes import Files
from desktop.records import Entry, Message, Role, SafetyEvent

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def files(belongings: Belongings) -> Files:
    """One file."""
    yield "all.json", _chunks(belongings)


def _chunks(belongings: Belongings) -> Iterator[bytes]:
    head = {"format": "quietroom-journal", "version": 2, "disclosure": i18n.text("journal.disclosure")}
    head["left_out"] = i18n.text("left_out.json")
    yield _bytes(head)[:-1] + b',\n"sessions": ['
    yield from _talks(belongings.sessions)
    for name, things in (
        ("entries", (_entry(one) for one in belongings.entries)),
        ("exercises", (_exercise(one) for one in belongings.exercises)),
        ("notes", (_note(one) for one in belongings.notes)),
        ("safety_events", (_event(one.event) for one in belongings.events)),
    ):
        yield f'\n],\n"{name}": ['.encode()
        comma = b""
        for thing in things:
            yield comma + b"\n" + _bytes(thing)
            comma = b","
    yield b"\n]\n}\n"


def _talks(talks: Iterable[CarriedTalk]) -> Iterator[bytes]:
    comma = b""
    for talk in talks:
        session = talk.session
        about = {
            "id": session.id,
            "title": session.title,
            "created_at": session.created_at,
            "updated_at": session.updated_at,
            "zone": session.zone,
            **_origin(talk.extra, talk.source),
        }
        yield comma + b"\n" + _bytes(about)[:-1] + b', "messages": ['
        comma = b""
        for message, versions in talk.messages:
            yield comma + b"\n" + _bytes(_message(message, versions))
            comma = b","
        yield b"\n]}"
        comma = b","


def _message(message: Message, versions: Versions) -> dict[str, Any]:
    generator: dict[str, str] | None = None
    if message.role == Role.ASSISTANT:
        generator = {"kind": "model"}
        if message.model:
            generator |= {"name": message.model.name, "sha256": message.model.sha256}
    elif message.role == Role.WRITTEN:
        generator = {"kind": "written"}
    shown = {
        "id": message.id,
        "role": message.role.value,
        "text": message.text,
        "state": message.state.value,
        "created_at": message.created_at,
        "reply_to": message.reply_to,
        "generator": generator,
    }
    return {**shown, **_history(versions)}


def _entry(carried: CarriedEntry) -> dict[str, Any]:
    shown = _entry_fields(carried.entry)
    if carried.versions:
        shown["versions"] = [{"saved_at": time, **_entry_fields(entry)} for time, entry in carried.versions]
    if carried.pictures:
        shown["pictures"] = [
            {
                "id": picture.id,
                "name": picture.name,
                "media_type": picture.media_type,
                "created_at": picture.created_at,
                "content": base64.b64encode(picture.load()).decode("ascii"),
            }
            for picture in carried.pictures
        ]
    return {**shown, **_origin(carried.extra, carried.source)}


def _entry_fields(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "title": entry.title,
        "text": entry.text,
        "created_at": entry.created_at,
        "zone": entry.zone,
        "updated_at": entry.updated_at,
        **asdict(entry.check_in),
        "feelings": list(entry.feelings),
        "tags": list(entry.tags),
        "session_id": entry.session_id,
        "exercise_id": entry.exercise_id,
    }


def _exercise(carried: CarriedExercise) -> dict[str, Any]:
    done = carried.exercise
    return {
        "id": done.id,
        "exercise": done.exercise,
        "answers": [{"question": question, "words": words} for question, words in done.answers],
        "session_id": done.session_id,
        "created_at": done.created_at,
        "zone": done.zone,
    }


def _note(carried: CarriedNote) -> dict[str, Any]:
    note = carried.note
    return {
        "id": note.id,
        "kind": note.kind.value,
        "text": note.text,
        "origin": note.origin.value,
        "created_at": note.created_at,
        "zone": note.zone,
        "updated_at": note.updated_at,
        **_history(carried.versions),
    }


def _event(event: SafetyEvent) -> dict[str, Any]:
    return {**asdict(event), "level": event.level.value, "category": event.category.value}


def _history(versions: Versions) -> dict[str, Any]:
    return {"versions": [{"saved_at": time, "text": text} for time, text in versions]} if versions else {}


def _origin(extra: Mapping[str, Any], source: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"source": source} if source is not None else {}
    return {**found, "extra": dict(extra)} if extra else found


def _bytes(value: Mapping[str, Any]) -> bytes:
    return _encode(value).encode("utf-8")
