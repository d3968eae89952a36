"""The journal in the form of Day One's JSON export: Journal.json and photos. Never misuses one of its fields."""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from desktop import i18n
from desktop.carried import Belongings, Picture
from desktop.export.markdown import escaped, quoted
from desktop.export.pages import Page, pages
from desktop.export.shapes import Files

_TYPES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}


def files(belongings: Belongings) -> Files:
    """The journal, then each picture once under its MD5, which is what Day One names it by."""
    yield "Journal.json", _chunks(belongings)
    written: set[str] = set()
    for carried in belongings.entries:
        for picture in carried.pictures:
            content = picture.load()
            name = f"photos/{_md5(content)}.{_TYPES.get(picture.media_type, 'jpeg')}"
            if name not in written:
                written.add(name)
                yield name, [content]


def _chunks(belongings: Belongings) -> Iterator[bytes]:
    about = {"version": "1.0", "disclosure": i18n.text("journal.disclosure"), "leftOut": i18n.text("left_out.dayone")}
    yield b'{"metadata": ' + _bytes(about) + b',\n"entries": ['
    comma = b""
    for page in pages(belongings):
        yield comma + b"\n" + _bytes(_entry(page))
        comma = b","
    yield b"\n]}\n"


def _entry(page: Page) -> dict[str, Any]:
    parts = [f"# {escaped(' '.join(page.title.split()))}"] if page.title else []
    parts += [page.text] if page.text else []
    for block in page.blocks:
        parts += [f"**{escaped(block.heading)}**"] if block.heading else []
        parts.append(quoted(block.text))
    parts += [escaped(" · ".join(page.facts))] if page.facts else []
    parts += [f"![](dayone-moment://{_identifier(picture)})" for picture in page.pictures]
    entry: dict[str, Any] = {
        "uuid": _uuid(page.id),
        "creationDate": page.created_at[:19] + "Z",
        "modifiedDate": page.updated_at[:19] + "Z",
        "timeZone": page.zone,
        "text": "\n\n".join(parts),
        "starred": False,
        "tags": list(page.tags),
        "quietroom": {"kind": page.kind, "modelWritten": bool(page.models), "generatedBy": list(page.models)},
    }
    if page.pictures:
        entry["photos"] = [
            {
                "identifier": _identifier(picture),
                "md5": _md5(picture.load()),
                "type": _TYPES.get(picture.media_type, "jpeg"),
                "orderInEntry": number,
                "filename": picture.name,
            }
            for number, picture in enumerate(page.pictures)
        ]
    return entry


def _identifier(picture: Picture) -> str:
    return _uuid(picture.id)


def _uuid(name: str) -> str:
    """32 hex digits in capitals: the id itself where it is one."""
    if re.fullmatch(r"[0-9a-fA-F]{32}", name):
        return name.upper()
    return hashlib.sha256(name.encode()).hexdigest()[:32].upper()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _bytes(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
