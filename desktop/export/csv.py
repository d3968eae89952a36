"""The check-ins as a table, RFC 4180. Never a cell that a spreadsheet would take for a formula."""

import csv
import io
from collections.abc import Iterator

from desktop import i18n
from desktop.carried import Belongings
from desktop.export.shapes import Files
from desktop.walltime import local

COLUMNS = ("date", "time", "zone", "mood", "tension", "energy", "sleep", "feelings", "tags", "title", "id")
# What makes a formula in a spreadsheet, full-width forms too (OWASP, "CSV Injection").
_FORMULA = tuple("=+-@\t\r\n＝＋－＠|%")


def files(belongings: Belongings) -> Files:
    """One file: a line that says what this is, behind "#", the names of the columns, a row for each check-in."""
    yield "check-ins.csv", _chunks(belongings)


def _chunks(belongings: Belongings) -> Iterator[bytes]:
    said = [i18n.text("journal.disclosure"), i18n.text("left_out.csv")]
    said += [i18n.text("exported.part")] if belongings.is_part else []
    yield _row(["# " + " ".join(said)])
    yield _row(list(COLUMNS))
    for carried in belongings.entries:
        entry, check_in = carried.entry, carried.entry.check_in
        gauges = (check_in.mood, check_in.tension, check_in.energy, check_in.sleep)
        if all(value is None for value in gauges) and not entry.feelings:
            continue
        wall = local(entry.created_at, entry.zone)
        values = ["" if value is None else str(value) for value in gauges]
        words = [entry.zone, *values, "; ".join(entry.feelings), "; ".join(entry.tags), entry.title, entry.id]
        yield _row([f"{wall:%Y-%m-%d}", f"{wall:%H:%M}", *words])


def _row(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow([_safe(cell) for cell in cells])
    return line.getvalue().encode()


def _safe(cell: str) -> str:
    cell = cell.replace("\0", "\ufffd")
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell
