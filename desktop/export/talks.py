"""What a format is given and gives. Never knows of any one format."""

from collections.abc import Callable, Iterable, Iterator

from desktop.records import Message, Session

Talks = Iterable[tuple[Session, Iterable[Message]]]
Format = Callable[[Talks], Iterator[bytes]]
