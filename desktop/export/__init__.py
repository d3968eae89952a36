"""The journal as files for people and programs. Pure: records in, bytes out; never touches the disk."""

from desktop.export import csv, dayone, html, joplin, json, markdown, pdf, txt
from desktop.export.shapes import Format, Shape

FORMATS: dict[str, Format] = {
    "json": Format(json.files, ".json", Shape.FILE, "left_out.json"),
    "markdown": Format(markdown.files, "", Shape.FOLDER, "left_out.markdown"),
    "html": Format(html.files, ".html", Shape.FILE, "left_out.html"),
    "txt": Format(txt.files, ".txt", Shape.FILE, "left_out.txt"),
    "csv": Format(csv.files, ".csv", Shape.FILE, "left_out.csv"),
    "pdf": Format(pdf.files, ".pdf", Shape.FILE, "left_out.pdf"),
    "dayone": Format(dayone.files, ".zip", Shape.ZIP, "left_out.dayone"),
    "joplin": Format(joplin.files, ".jex", Shape.TAR, "left_out.joplin"),
}
