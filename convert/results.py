"""Reads back what `measure --json` wrote; never measures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from convert.errors import ConvertError
from convert.json_file import Json, read_object


@dataclass(frozen=True)
class Result:
    """One file's figures; each pair is a value and its error, None where there was no reference."""

    name: str
    kind: str
    perplexity: tuple[float, float]
    ratio: tuple[float, float] | None
    divergence: tuple[float, float] | None
    same_top: tuple[float, float] | None
    reading: float
    writing: float


@dataclass(frozen=True)
class Results:
    """All files on one text: how many of its tokens were scored, in chunks of how many, by how many threads."""

    text: str
    scored: int
    context: int
    threads: int
    reference: str | None
    files: Mapping[str, Result]


def read_results(path: Path) -> Results:
    """Return the results in the file at `path`. Raises ConvertError when `measure` did not write it."""
    found = read_object(path)
    try:
        rows = [_result(row) for row in found["files"]]
        reference = found["reference"]
        return Results(
            str(found["text"]["name"]),
            int(found["scored_tokens"]),
            int(found["context"]),
            int(found["threads"]),
            str(reference["name"]) if reference else None,
            {row.name: row for row in rows},
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ConvertError(f"{path} is not a measurement as `measure --json` writes it.") from error


def _result(row: Json) -> Result:
    compared = "divergence" in row
    return Result(
        str(row["name"]),
        str(row["type"]),
        _pair(row["perplexity"]),
        _pair(row["ratio"]) if compared else None,
        _pair(row["divergence"]) if compared else None,
        _pair(row["same_top"]) if compared else None,
        float(row["tokens_read_per_second"]),
        float(row["tokens_written_per_second"]),
    )


def _pair(estimate: Json) -> tuple[float, float]:
    return float(estimate["value"]), float(estimate["error"])
