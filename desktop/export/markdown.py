"""The journal as a folder of Markdown files with front matter, as Obsidian and Joplin read it.

What was said in a talk is escaped and stands in quotes, so that it cannot pose as structure; entries are the person's
own Markdown and are never changed.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from desktop import i18n
from desktop.carried import Belongings, Picture
from desktop.export.pages import Block, Page, moment, pages
from desktop.export.shapes import Files
from desktop.walltime import local

ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}

_FOLDERS = {"talk": "talks", "entry": "entries", "exercise": "exercises", "note": "notes"}
# What opens an emphasis, a link, a tag, a formula, a comment or HTML, here or in Obsidian.
_SPECIAL = re.compile(r"([\\`*_\[\]#|~$^=%!{}])")
_STARTS = re.compile(r"^(\s*)([-+]|\d+(?=[.)]))(?=[\s.)-]|$)")
_BLANKS = re.compile(r"^[ \t]+")


def files(belongings: Belongings) -> Files:
    """README.md, one file for each thing, and the pictures."""
    yield "README.md", [_readme(belongings).encode()]
    for page in pages(belongings):
        name = file_name(page)
        yield f"{_FOLDERS[page.kind]}/{name}.md", _chunks(page)
        for picture in page.pictures:
            yield f"pictures/{picture_name(picture)}", [picture.load()]


def _readme(belongings: Belongings) -> str:
    part = f"\n{i18n.text('exported.part')}\n" if belongings.is_part else ""
    disclosure, left_out = i18n.text("journal.disclosure"), i18n.text("left_out.markdown")
    return f"---\ngenerator: quietroom\nmodel-written: marked\n---\n\n*{disclosure}*\n\n{left_out}\n{part}"


def _chunks(page: Page) -> Iterator[bytes]:
    yield front_matter(page).encode()
    if page.kind == "entry":
        yield f"\n{page.text}\n".encode()
        for picture in page.pictures:
            yield f"\n![{escaped(picture.name)}](../pictures/{picture_name(picture)})\n".encode()
    for block in page.blocks:
        heading = f"\n### {escaped(block.heading)}\n" if block.heading else ""
        yield f"{heading}{_mark(block)}\n{quoted(block.text)}\n".encode()


def front_matter(page: Page) -> str:
    """What programs should know of a page, as YAML; every value is written as JSON, which is YAML as well."""
    wall = local(page.created_at, page.zone)
    about: dict[str, Any] = {
        "title": page.title or moment(page.created_at, page.zone),
        "id": page.id,
        "kind": page.kind,
        "date": wall.isoformat(timespec="seconds"),
        "created": page.created_at,
        "updated": page.updated_at,
        "zone": page.zone,
    }
    if page.tags:
        about["tags"] = list(page.tags)
    if page.feelings:
        about["feelings"] = list(page.feelings)
    about |= {name: value for name, value in asdict(page.check_in).items() if value is not None}
    about["model-written"] = bool(page.models)
    if page.models:
        about["generated-by"] = list(page.models)
    about["disclosure"] = i18n.text("journal.disclosure")
    lines = "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in about.items())
    # YAML takes these for the ends of lines, or not at all.
    lines = re.sub("[\x7f-\x9f\u2028\u2029\ufeff]", lambda found: f"\\u{ord(found[0]):04x}", lines)
    return f"---\n{lines}---\n"


def file_name(page: Page) -> str:
    """A name that every system takes: the day, some words of the title, and the id, which makes it the only one."""
    words = re.sub(r"[^\w]+", " ", page.title).strip()[:40].strip()
    safe_id = re.sub(r"[^\w-]+", "-", page.id)[:64]
    return " ".join(part for part in (str(local(page.created_at, page.zone).date()), words, safe_id) if part)


def picture_name(picture: Picture) -> str:
    """The name of a picture's file."""
    return re.sub(r"[^\w-]+", "-", picture.id)[:64] + "." + ENDINGS.get(picture.media_type, "bin")


def quoted(text: str) -> str:
    """Each line behind "> ", ended as a line. NUL becomes U+FFFD, as CommonMark 0.31 section 2.3 has it."""
    lines = re.split(r"\r\n|\r|\n", text.replace("\0", "\ufffd"))
    return "  \n".join(f"> {escaped(line)}".rstrip(" ") if not line.strip() else f"> {escaped(line)}" for line in lines)


def escaped(line: str) -> str:
    """One line whose every character means itself."""
    line = _SPECIAL.sub(r"\\\1", line).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _STARTS.sub(lambda found: found[1] + (f"\\{found[2]}" if found[2] in "-+" else found[2]), line)
    line = re.sub(r"^(\s*\d+)([.)])", r"\1\\\2", line)
    return _BLANKS.sub(lambda found: "&nbsp;" * len(found[0].expandtabs(4)), line)


def _mark(block: Block) -> str:
    """Who wrote the words, for programs, where it was not the person."""
    if block.author == "person":
        return ""
    return f"<!-- data-author: {block.author} {re.sub('--+|[<>]', '_', block.generator)} -->\n"
