"""The journal as a JEX file for Joplin: a tar of items, "key: value" lines behind each text. Never an id twice."""

import hashlib
from collections.abc import Iterator

from desktop import i18n
from desktop.carried import Belongings
from desktop.export.markdown import ENDINGS, escaped, quoted
from desktop.export.pages import Page, moment, pages
from desktop.export.shapes import Files

_NOTE, _FOLDER, _RESOURCE, _TAG, _NOTE_TAG = 1, 2, 4, 5, 6
_EPOCH = "1970-01-01T00:00:00.000Z"


def files(belongings: Belongings) -> Files:
    """A notebook, a note that says what it is, a note for each thing, its pictures and tags."""
    folder = _id("folder")
    yield _item(folder, i18n.text("exported.title"), "", _FOLDER, parent_id="")
    said = [i18n.text("journal.disclosure"), i18n.text("left_out.joplin")]
    said += [i18n.text("exported.part")] if belongings.is_part else []
    yield _item(_id("head"), i18n.text("exported.about"), "\n\n".join(said), _NOTE, parent_id=folder)
    tags: set[str] = set()
    for page in pages(belongings):
        yield from _page(page, folder, tags)


def _page(page: Page, folder: str, tags: set[str]) -> Files:
    note = _id("page", page.kind, page.id)
    parts = [page.text] if page.text else []
    parts += [escaped(" · ".join(page.facts))] if page.facts else []
    for block in page.blocks:
        heading = f"### {escaped(block.heading)}\n\n" if block.heading else ""
        parts.append(heading + quoted(block.text))
    for picture in page.pictures:
        resource, ending = _id("picture", picture.id), ENDINGS.get(picture.media_type, "bin")
        content = picture.load()
        parts.append(f"![{escaped(picture.name)}](:/{resource})")
        yield _item(
            resource, picture.name, None, _RESOURCE, picture.created_at,
            mime=picture.media_type, filename=picture.name, file_extension=ending, size=str(len(content)),
            encryption_applied="0",
        )  # fmt: skip
        yield f"resources/{resource}.{ending}", [content]
    generated = {"quietroom_generated_by": "; ".join(page.models)} if page.models else {}
    yield _item(
        note, page.title or moment(page.created_at, page.zone), "\n\n".join(parts), _NOTE, page.created_at,
        page.updated_at, parent_id=folder, source="quietroom", source_application="quietroom", markup_language="1",
        quietroom_model_written="1" if page.models else "0", **generated,
    )  # fmt: skip
    for tag in dict.fromkeys(page.tags):
        name = _id("tag", tag)
        if name not in tags:
            tags.add(name)
            yield _item(name, tag, None, _TAG)
        yield _item(_id("note-tag", note, tag), None, None, _NOTE_TAG, note_id=note, tag_id=name)


def _item(
    item_id: str, title: str | None, body: str | None, kind: int, created: str = _EPOCH, updated: str = "", **more: str
) -> tuple[str, Iterator[bytes]]:
    """One item: title, body, then its fields, apart by blank lines (Joplin's BaseItem.serialize)."""
    times = {
        "created_time": _time(created),
        "updated_time": _time(updated or created),
        "user_created_time": _time(created),
        "user_updated_time": _time(updated or created),
    }
    fields = {"id": item_id, **more, **times, "encryption_cipher_text": "", "encryption_applied": "0"}
    lines = "\n".join(f"{name}: {_flat(value)}" for name, value in {**fields, "type_": str(kind)}.items())
    text = "\n\n".join([_flat(part) if part is title else part for part in (title, body) if part is not None] + [lines])
    return f"{item_id}.md", iter([text.encode()])


def _flat(value: str) -> str:
    return value.replace("\r", "").replace("\n", "\\n").replace("\0", "\ufffd")


def _time(time: str) -> str:
    return time[:23] + "Z"


def _id(*parts: str) -> str:
    """32 hex digits, the same for the same thing."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
