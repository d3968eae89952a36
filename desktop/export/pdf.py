"""The journal as a PDF to hand to somebody, by Qt's own printing. Never without its mark of what a model wrote.

Qt is loaded only when it is needed, and off any screen: this runs in the work child or in a command of the terminal.
"""

import xml.sax.saxutils as xml
from collections.abc import Iterable, Iterator

from desktop import i18n
from desktop.carried import Belongings
from desktop.export.html import facts_line, safe
from desktop.export.pages import Block, Page, moment, pages
from desktop.export.shapes import Files

_STYLE = """
body { font-family: 'Georgia', 'Noto Serif', 'DejaVu Serif', serif; font-size: 10.5pt; color: #22302c; }
h1 { font-size: 20pt; font-weight: normal; }
h2 { font-size: 13pt; font-weight: normal; margin-top: 26px; margin-bottom: 0px; }
.small { font-family: 'DejaVu Sans', 'Noto Sans', sans-serif; font-size: 8pt; color: #66736e; }
.who { font-family: 'DejaVu Sans', 'Noto Sans', sans-serif; font-size: 8pt; color: #66736e; margin-top: 12px; }
"""
_WIDEST = 420
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{about}</rdf:li></rdf:Alt></dc:description>
<pdf:Keywords>{keywords}</pdf:Keywords>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def files(belongings: Belongings) -> Files:
    """One file."""
    yield "all.pdf", _chunks(belongings)


def _chunks(belongings: Belongings) -> Iterator[bytes]:
    import os

    from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF
    from PySide6.QtGui import QGuiApplication, QImage, QPageLayout, QPageSize, QPdfWriter, QTextDocument

    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = QGuiApplication.instance() or QGuiApplication(["quietroom"])
    document = QTextDocument()
    document.setDefaultStyleSheet(_STYLE)
    models: set[str] = set()
    body = [_head(belongings)]
    for page in pages(belongings):
        models |= set(page.models)
        pictures = []
        for picture in page.pictures:
            image = QImage.fromData(picture.load())
            if not image.isNull():
                document.addResource(QTextDocument.ResourceType.ImageResource.value, picture.id, image)
                pictures.append((picture.id, min(image.width(), _WIDEST)))
        body.append(_page(page, pictures))
    document.setHtml("<body>" + "".join(body) + "</body>")
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setTitle(i18n.text("exported.title"))
    writer.setCreator("Quietroom")
    writer.setDocumentXmpMetadata(QByteArray(_metadata(models).encode()))
    writer.setPageLayout(
        QPageLayout(QPageSize(QPageSize.PageSizeId.A4), QPageLayout.Orientation.Portrait, QMarginsF(20, 18, 20, 18))
    )
    document.print_(writer)
    buffer.close()
    del writer, application
    yield bytes(buffer.data().data())


def _metadata(models: Iterable[str]) -> str:
    names = "; ".join(sorted(models))
    keywords = f"model-written: {names}" if names else "model-written: none"
    return _XMP.format(
        title=xml.escape(i18n.text("exported.title")),
        about=xml.escape(i18n.text("journal.disclosure")),
        keywords=xml.escape(keywords),
    )


def _head(belongings: Belongings) -> str:
    said = [i18n.text("journal.disclosure"), i18n.text("left_out.pdf")]
    said += [i18n.text("exported.part")] if belongings.is_part else []
    lines = "".join(f'<p class="small">{safe(words)}</p>' for words in said)
    return f"<h1>{safe(i18n.text('exported.title'))}</h1>{lines}<hr>"


def _page(page: Page, pictures: list[tuple[str, int]]) -> str:
    when = moment(page.created_at, page.zone)
    about = facts_line(page)
    small = f'<p class="small">{safe(when)}' + (f"<br>{about}" if about else "") + "</p>"
    shown = f"<p>{_lines(page.text)}</p>" if page.text else ""
    blocks = "".join(map(_block, page.blocks))
    images = "".join(f'<p><img src="{safe(name)}" width="{width}"></p>' for name, width in pictures)
    return f"<h2>{safe(page.title) or safe(when)}</h2>{small}{shown}{blocks}{images}"


def _block(block: Block) -> str:
    heading = f'<p class="who">{safe(block.heading)}</p>' if block.heading else ""
    # Other people's words and the model's stand apart by their ground as well as by their heading.
    ground = {"model": ' bgcolor="#eef3f0"', "written": ' bgcolor="#f6f1e4"'}.get(block.author)
    words = _lines(block.text)
    if ground is None:
        return f"{heading}<p>{words}</p>"
    return f'{heading}<table width="100%" cellpadding="6"{ground}><tr><td>{words}</td></tr></table>'


def _lines(text: str) -> str:
    return safe(text).replace("\r\n", "\n").replace("\n", "<br>")
