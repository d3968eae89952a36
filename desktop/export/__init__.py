"""The journal as files for people and programs. Pure: records in, bytes out; never touches the disk."""

from desktop.export import json, markdown
from desktop.export.talks import Format

FORMATS: dict[str, Format] = {
    "json": json.chunks,
    "markdown": markdown.chunks,
}
