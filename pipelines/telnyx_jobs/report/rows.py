"""Rows of a query for a person or a program: as a table, as CSV, as JSON.

CSV and JSON are written while the rows come, so that they may be many. Times are in UTC.
"""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import accumulate, islice
from math import isfinite
from typing import Any, NamedTuple, TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from telnyx_jobs.destinations.answer import Rows
from telnyx_jobs.text import one_line

TABLE_ROWS = 50
"""Rows of a table on a terminal."""
LONGEST_TABLE = 10_000
"""Rows of any other table: the widths of its columns are those of all rows."""
_CAPS = (60, 36, 20)
"""Widest cells tried, one after another, until a table fits."""
_NAME_LINE = 12
"""Where names are broken at underscores in a table that does not fit."""
_FRAME = 3
"""Columns that a cell takes beside its text."""


def write(rows: Rows, form: str, out: TextIO, width: int | None) -> None:
    """Print the rows as `table`, `csv` or `json`.

    A table is at most `width` columns wide; None shows all columns in full.
    """
    if form == "csv":
        _write_csv(rows, out)
    elif form == "json":
        _write_json(rows, out)
    else:
        _write_table(rows, out, width)


def _write_csv(rows: Rows, out: TextIO) -> None:
    """As RFC 4180 has it, but for line ends; NULL is an empty cell, an empty text is quoted."""
    out.write(",".join(map(_csv_cell, rows.names)) + "\n")
    for batch in rows.batches:
        out.write("".join(",".join(map(_csv_cell, row)) + "\n" for row in batch))


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    text = _text(value)
    if text and not any(mark in text for mark in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'


def _write_json(rows: Rows, out: TextIO) -> None:
    """An array of objects, one a line."""
    before = "[\n"
    for batch in rows.batches:
        out.write(before + ",\n".join(_json_object(rows, row) for row in batch))
        before = ",\n"
    out.write("\n]\n" if before == ",\n" else "[]\n")


def _json_object(rows: Rows, row: Sequence[Any]) -> str:
    value = {
        name: _loaded(cell) if place in rows.json_columns else _plain(cell)
        for place, (name, cell) in enumerate(zip(rows.names, row, strict=True))
    }
    return json.dumps(value, ensure_ascii=False)


def _write_table(rows: Rows, out: TextIO, width: int | None) -> None:
    limit = LONGEST_TABLE if width is None else TABLE_ROWS
    found = list(islice(rows, limit + 1))
    cells = [[_table_cell(value) for value in row] for row in found[:limit]]
    columns = _columns(rows.names, cells, width)
    table = Table(box=box.SQUARE)
    for place, column in enumerate(columns):
        is_number = any(isinstance(row[place], int | float | Decimal) for row in found)
        table.add_column(
            Text(column.heading),
            justify="right" if is_number else "left",
            no_wrap=True,
            width=column.width,
        )
    for row in cells:
        table.add_row(*map(Text, row[: len(columns)]))
    console = Console(file=out, width=width or sum(c.width + _FRAME for c in columns) + 1)
    console.print(table)
    for line in _remarks(rows.names[len(columns) :], len(found), limit):
        out.write(line + "\n")


class _Column(NamedTuple):
    heading: str
    width: int


def _columns(
    names: Sequence[str], cells: Sequence[Sequence[str]], width: int | None
) -> list[_Column]:
    """The columns that a table of this width has room for, at least one."""
    wanted = [max(map(cell_len, column)) for column in zip(*cells, strict=True)] or [0] * len(names)
    whole = [one_line(name) for name in names]
    if width is None:
        return [_Column(*each) for each in zip(whole, map(_wider, whole, wanted), strict=True)]
    for cap in _CAPS:
        for headings in (whole, [_broken(name) for name in whole]):
            widths = [_wider(*each, cap) for each in zip(headings, wanted, strict=True)]
            ends = list(accumulate(each + _FRAME for each in widths))
            if ends[-1] < width:
                return [_Column(*each) for each in zip(headings, widths, strict=True)]
    shown = max(1, sum(end < width for end in ends))
    return [_Column(*each) for each in zip(headings, widths, strict=True)][:shown]


def _wider(heading: str, wanted: int, cap: int | None = None) -> int:
    """The width of a column with this heading and cells."""
    cells = wanted if cap is None else min(wanted, cap)
    return max(cells, *map(cell_len, heading.split("\n")))


def _broken(name: str) -> str:
    """The name on several lines, each with an underscore at its end but the last."""
    lines = [""]
    for part in re.split("(?<=_)", name):
        if lines[-1] and len(lines[-1]) + len(part) > _NAME_LINE:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _remarks(hidden: Sequence[str], found: int, limit: int) -> Iterator[str]:
    if found == 0:
        yield "no rows"
    elif found > limit:
        yield f"the first {limit:,} rows; --format csv or json prints all"
    else:
        yield f"{found:,} row{'s' if found > 1 else ''}"
    if hidden:
        names = ", ".join(map(one_line, hidden))
        yield f"no room for {names}; --format csv or json has all columns"


def _table_cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float) and isfinite(value):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.1f}"
    return one_line(_text(value))


def _text(value: Any) -> str:
    """A value as text, exactly; not NULL."""
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """A value as JSON has it; what JSON has no kind of as text."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return moment.replace(tzinfo=None).isoformat() + ("Z" if value.tzinfo else "")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)


def _loaded(value: str | None) -> Any:
    return None if value is None else json.loads(value)
