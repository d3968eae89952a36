"""Finds words in everything that was written. Never shows what lies in the bin.

The index is FTS5 (https://sqlite.org/fts5.html) with diacritics folded; it is kept by triggers (see migrations).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from desktop.errors import UserError
from desktop.records import Found
from desktop.store.database import Vault, told

SNIPPET = 160
_PHRASE_OR_WORD = re.compile(r'"([^"]+)"|(\S+)')


@dataclass(frozen=True)
class Filter:
    """Which of the found things count. Times are UTC texts, `end` not included.

    `kind` is "message", "entry", "note" or "exercise".
    """

    kind: str | None = None
    start: str = ""
    end: str = "~"
    tag: str | None = None
    least_mood: int | None = None
    most_mood: int | None = None


class Search:
    """Search over everything written. Notes and exercises are few and are read through, outside the index."""

    def __init__(self, vault: Vault) -> None:
        self._db = vault.db
        self._path = vault.folder

    def find(self, words: str, chosen: Filter | None = None, limit: int = 50) -> list[Found]:
        """What holds all `words`, the newest first. The last letters of a word may be missing; "a phrase" is exact.

        Raises UserError("nothing_to_find") where there is no word to look for.
        """
        chosen = chosen or Filter()
        terms = _terms(words)
        if not terms:
            raise UserError("nothing_to_find")
        query = " ".join(f'"{term}"' if is_phrase else f'"{term}"*' for term, is_phrase in terms)
        found: list[Found] = []
        only_entries = chosen.tag is not None or chosen.least_mood is not None or chosen.most_mood is not None
        if chosen.kind in (None, "message") and not only_entries:
            found += (_found("message", row, terms) for row in islice(self._messages(query, chosen), limit))
        if chosen.kind in (None, "entry"):
            found += (_found("entry", row, terms) for row in islice(self._entries(query, chosen), limit))
        if chosen.kind in (None, "note", "exercise") and not only_entries:
            found += (_found(row.pop("kind"), row, terms) for row in self._few(terms, chosen))
        return sorted(found, key=lambda one: one.created_at, reverse=True)[:limit]

    def is_sound(self) -> bool:
        """Whether the index agrees with itself and has a row for each message and entry."""
        with told(self._path):
            self._db.execute("INSERT INTO search(search) VALUES ('integrity-check')")
            indexed = self._db.execute("SELECT count(*) FROM search_docsize").fetchone()[0]
            written = self._db.execute(
                "SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM entries)"
            ).fetchone()[0]
        return bool(indexed == written)

    def rebuild(self) -> None:
        """Makes the index anew out of what was written. Raises UserError (disk_full ...)."""
        with told(self._path), self._db.atomic():
            self._db.execute("INSERT INTO search(search) VALUES ('delete-all')")
            self._db.execute("INSERT INTO search(rowid, title, body, tags) SELECT 2 * seq, '', text, '' FROM messages")
            self._db.execute(
                "INSERT INTO search(rowid, title, body, tags) SELECT 2 * seq + 1, title, text, tags FROM entries"
            )

    def _messages(self, query: str, chosen: Filter) -> Iterator[dict[str, Any]]:
        # The order of rows in the index is the order of arrival, so the newest come first without sorting.
        with told(self._path):
            yield from self._db.query(
                "SELECT m.id, m.session_id, m.created_at, s.title, m.text FROM search"
                " JOIN messages m ON m.seq = search.rowid / 2 JOIN sessions s ON s.id = m.session_id"
                " WHERE search MATCH ? AND search.rowid % 2 = 0 AND s.deleted_at IS NULL"
                " AND m.created_at >= ? AND m.created_at < ? ORDER BY search.rowid DESC",
                (query, chosen.start, chosen.end),
            )

    def _few(self, terms: list[tuple[str, bool]], chosen: Filter) -> Iterator[dict[str, Any]]:
        with told(self._path):
            rows = self._db.query(
                "SELECT * FROM (SELECT 'note' AS kind, id, NULL AS session_id, created_at, '' AS title, text FROM notes"
                " WHERE deleted_at IS NULL UNION ALL SELECT 'exercise', id, session_id, created_at, exercise,"
                " (SELECT group_concat(json_extract(value, '$[1]'), char(10)) FROM json_each(answers))"
                " FROM exercises_done WHERE deleted_at IS NULL)"
                " WHERE text <> '' AND (? IS NULL OR kind = ?) AND created_at >= ? AND created_at < ?",
                (chosen.kind, chosen.kind, chosen.start, chosen.end),
            )
            yield from (row for row in rows if _holds(row["text"], terms))

    def _entries(self, query: str, chosen: Filter) -> Iterator[dict[str, Any]]:
        with told(self._path):
            yield from self._db.query(
                "SELECT e.id, e.session_id, e.created_at, e.title, e.text FROM search"
                " JOIN entries e ON e.seq = search.rowid / 2"
                " WHERE search MATCH ? AND search.rowid % 2 = 1 AND e.deleted_at IS NULL"
                " AND e.created_at >= ? AND e.created_at < ?"
                " AND (? IS NULL OR e.mood >= ?) AND (? IS NULL OR e.mood <= ?)"
                " AND (? IS NULL OR EXISTS (SELECT 1 FROM json_each(e.tags) WHERE value = ?))"
                " ORDER BY search.rowid DESC",
                (
                    query, chosen.start, chosen.end, chosen.least_mood, chosen.least_mood,
                    chosen.most_mood, chosen.most_mood, chosen.tag, chosen.tag,
                ),
            )  # fmt: skip


def _holds(text: str, terms: list[tuple[str, bool]]) -> bool:
    """Whether every term stands in `text`."""
    return all(_marks(text, [term]) for term in terms)


def _terms(words: str) -> list[tuple[str, bool]]:
    """(text, whether it is a phrase) for each thing to look for; marks that are no letters fall away."""
    terms = []
    for phrase, word in _PHRASE_OR_WORD.findall(words.replace("\0", " ")):
        text = " ".join(re.findall(r"\w+", phrase or word))
        if text:
            terms.append((text, bool(phrase) or " " in text))
    return terms


def _found(kind: str, row: dict[str, Any], terms: list[tuple[str, bool]]) -> Found:
    text = row["text"]
    marks = _marks(text, terms)
    begin = max(marks[0][0] - SNIPPET // 3, 0) if marks else 0
    end = begin + SNIPPET
    shown = tuple((start - begin, stop - begin) for start, stop in marks if stop <= end)
    return Found(kind, row["id"], row["session_id"], row["created_at"], row["title"], text[begin:end], shown)


def _marks(text: str, terms: list[tuple[str, bool]]) -> list[tuple[int, int]]:
    """Where the terms stand in `text`, found in a folded copy of the same length."""
    folded = "".join(_folded(letter) for letter in text)
    places = []
    for term, is_phrase in terms:
        words = [re.escape("".join(_folded(letter) for letter in word)) for word in term.split()]
        pattern = r"\b" + r"\W+".join(words) + (r"\b" if is_phrase else r"\w*")
        places += [found.span() for found in re.finditer(pattern, folded)]
    return sorted(places)


def _folded(letter: str) -> str:
    """The letter without diacritics and case, always one character."""
    return unicodedata.normalize("NFD", letter)[0].lower()[:1] or letter
