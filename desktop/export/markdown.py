"""The journal as one Markdown file to read. What was said stands in quotes, so that it cannot pose as structure."""

from collections.abc import Iterator

from desktop import i18n
from desktop.export.talks import Talks
from desktop.records import Message, Role, State


def chunks(talks: Talks) -> Iterator[bytes]:
    """Yields the file piece by piece."""
    disclosure = i18n.text("journal.disclosure")
    yield f"---\ngenerator: quietroom\nmodel-written: marked\n---\n\n*{disclosure}*\n".encode()
    for session, messages in talks:
        yield f"\n## {_moment(session.created_at)}\n".encode()
        for message in messages:
            yield f"\n### {_heading(message)}\n\n{_quoted(message.text)}\n".encode()


def _heading(message: Message) -> str:
    who = {
        Role.USER: i18n.text("journal.you"),
        Role.ASSISTANT: i18n.text("journal.model", name=message.model.name if message.model else "?"),
        Role.WRITTEN: i18n.text("journal.written"),
    }
    parts = [who[message.role], _moment(message.created_at)]
    if message.state == State.INTERRUPTED:
        parts.append(i18n.text("journal.interrupted"))
    return " · ".join(parts)


def _quoted(text: str) -> str:
    """Each line behind "> ". NUL becomes U+FFFD, as CommonMark 0.31 section 2.3 has it."""
    return "\n".join(f"> {line}" for line in text.replace("\0", "\ufffd").split("\n"))


def _moment(time: str) -> str:
    return f"{time[:10]} {time[11:16]} UTC"
