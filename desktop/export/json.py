"""The whole journal as one JSON object, UTF-8, two talks never in memory at once. Nothing is left out.

`{"format": "quietroom-journal", "version": 1, "disclosure": str, "sessions": [{"id", "title", "created_at",
"updated_at", "messages": [{"id", "role", "text", "state", "created_at", "reply_to", "generator"}]}]}`.
`generator` is null for the person's own words, else who wrote the text: `{"kind": "model", "name", "sha256"}`
or `{"kind": "written"}` (a reply written by people, chosen by the program).
"""

import json
from collections.abc import Iterator, Mapping

from desktop import i18n
from desktop.export.talks import Talks
from desktop.records import Message, Role


def chunks(talks: Talks) -> Iterator[bytes]:
    """Yields the file piece by piece, the same bytes for the same journal."""
    head = {"format": "quietroom-journal", "version": 1, "disclosure": i18n.text("journal.disclosure")}
    yield _bytes(head)[:-1] + b',\n"sessions": ['
    session_comma = b""
    for session, messages in talks:
        about = {
            "id": session.id,
            "title": session.title,
            "created_at": session.created_at,
            "updated_at": session.updated_at,
        }
        yield session_comma + b"\n" + _bytes(about)[:-1] + b', "messages": ['
        comma = b""
        for message in messages:
            yield comma + b"\n" + _bytes(_message(message))
            comma = b","
        yield b"\n]}"
        session_comma = b","
    yield b"\n]\n}\n"


def _message(message: Message) -> dict[str, object]:
    generator: dict[str, str] | None = None
    if message.role == Role.ASSISTANT:
        generator = {"kind": "model"}
        if message.model:
            generator |= {"name": message.model.name, "sha256": message.model.sha256}
    elif message.role == Role.WRITTEN:
        generator = {"kind": "written"}
    return {
        "id": message.id,
        "role": message.role.value,
        "text": message.text,
        "state": message.state.value,
        "created_at": message.created_at,
        "reply_to": message.reply_to,
        "generator": generator,
    }


def _bytes(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8")
