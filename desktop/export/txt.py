"""The journal as one plain text. Never a character that the person did not write, but for headings and rules."""

from collections.abc import Iterator

from desktop import i18n
from desktop.carried import Belongings
from desktop.export.pages import Page, moment, pages
from desktop.export.shapes import Files

_RULE = "=" * 72


def files(belongings: Belongings) -> Files:
    """One file."""
    yield "all.txt", _chunks(belongings)


def _chunks(belongings: Belongings) -> Iterator[bytes]:
    yield f"{i18n.text('journal.disclosure')}\n\n{i18n.text('left_out.txt')}\n".encode()
    if belongings.is_part:
        yield f"{i18n.text('exported.part')}\n".encode()
    for page in pages(belongings):
        yield _head(page).encode()
        if page.text:
            yield f"\n{page.text}\n".encode()
        for block in page.blocks:
            mark = f" [model-written: {block.generator}]" if block.author == "model" else ""
            heading = f"\n[{block.heading}]{mark}\n" if block.heading else "\n"
            yield f"{heading}{block.text}\n".encode()


def _head(page: Page) -> str:
    lines = [_RULE, page.title, moment(page.created_at, page.zone)]
    lines += [", ".join(page.facts), " ".join(f"#{tag}" for tag in page.tags)]
    lines += [picture.name for picture in page.pictures]
    return "\n\n" + "\n".join(line for line in lines if line) + "\n"
