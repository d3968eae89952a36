"""The journal as one page that needs nothing else: no script, no address that is called. Never a tag out of a text."""

import base64
from collections.abc import Iterator
from html import escape

from desktop import i18n
from desktop.carried import Belongings
from desktop.export.pages import Block, Page, moment, pages
from desktop.export.shapes import Files

_STYLE = (
    "body{font:17px/1.6 Georgia,'Noto Serif',serif;color:#26302e;background:#fbfaf7;max-width:42rem;margin:3rem auto;"
    "padding:0 1.2rem}h1{font-size:1.5rem}h2{font-size:1.2rem;margin:3rem 0 .2rem;border-top:1px solid #d9d4c8;"
    "padding-top:1.6rem}"
    "h3,.when,.facts,.head{font:14px/1.5 system-ui,sans-serif;color:#5d6a66}h3{margin:1.4rem 0 .2rem}"
    ".text{white-space:pre-wrap;overflow-wrap:anywhere}article[data-author=model]{border-left:3px solid #b9c8c2;"
    "padding-left:1rem}article[data-author=written]{border-left:3px solid #d8c9a8;padding-left:1rem}"
    "img{max-width:100%}@media(prefers-color-scheme:dark){body{color:#dfe5e2;background:#1b2120}"
    "h2{border-color:#3a4442}h3,.when,.facts,.head{color:#9fada8}}"
)
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def files(belongings: Belongings) -> Files:
    """One file."""
    yield "all.html", _chunks(belongings)


def _chunks(belongings: Belongings) -> Iterator[bytes]:
    title = escape(i18n.text("exported.title"))
    said = [i18n.text("journal.disclosure"), i18n.text("left_out.html")]
    said += [i18n.text("exported.part")] if belongings.is_part else []
    head = "".join(f'<p class="head">{escape(words)}</p>\n' for words in said)
    yield (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="generator" content="quietroom">\n<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{head}"
    ).encode()
    for page in pages(belongings):
        yield from _page(page)
    yield b"</body>\n</html>\n"


def _page(page: Page) -> Iterator[bytes]:
    when = moment(page.created_at, page.zone)
    heading = safe(page.title) or escape(when)
    yield f'<section data-kind="{page.kind}" id="{safe(page.id)}">\n<h2>{heading}</h2>\n'.encode()
    yield f'<p class="when">{escape(when)}</p>\n'.encode()
    if about := facts_line(page):
        yield f'<p class="facts">{about}</p>\n'.encode()
    if page.kind == "entry":
        yield f'<article data-author="person"><div class="text">{safe(page.text)}</div></article>\n'.encode()
    for block in page.blocks:
        yield _block(block).encode()
    for picture in page.pictures:
        content = base64.b64encode(picture.load()).decode("ascii")
        source = f"data:{safe(picture.media_type)};base64,{content}"
        yield f'<p><img alt="{safe(picture.name)}" src="{source}"></p>\n'.encode()
    yield b"</section>\n"


def _block(block: Block) -> str:
    generator = f' data-generator="{safe(block.generator)}"' if block.generator else ""
    heading = f"<h3>{safe(block.heading)}</h3>\n" if block.heading else ""
    return (
        f'<article data-author="{block.author}"{generator}>\n{heading}'
        f'<div class="text">{safe(block.text)}</div>\n</article>\n'
    )


def facts_line(page: Page) -> str:
    """The check-in, the feelings and the tags in one line of HTML."""
    parts = page.facts + [f"#{tag}" for tag in page.tags]
    return " · ".join(map(safe, parts))


def safe(text: str) -> str:
    """Text that means itself in HTML; NUL, which has no place there, becomes U+FFFD."""
    return escape(text.replace("\0", "\ufffd"))
