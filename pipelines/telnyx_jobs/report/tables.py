"""The report's tables, the same for the terminal and for the page: their columns and cells."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from telnyx_jobs.report.figures import Listed, Report
from telnyx_jobs.report.wording import TREND, at, due_of, percent, trend_of

HIDDEN, NATURAL, REST = None, 0, -1
"""Widths in the terminal: left out, as wide as its cells, and whatever width is left."""
_MISSING = {"code": "no code", "pointer": "no pointer"}
_COLOURS = {"new": "red", "rising": "red", "falling": "green", "gone": "green"}


class Column(NamedTuple):
    """A field of the rows. What is not `on_page` is for the terminal.

    Figures are aligned right, and sort high to low first; times sort by their instant. A word,
    such as a code or a job type, is broken into lines on a phone only.
    """

    field: str
    name: str
    kind: Literal["text", "word", "figure", "rate", "range", "time", "due", "bar"]
    width: int | None = HIDDEN
    """The widest cell in the terminal."""
    short: str | None = None
    """The name there, if it is another one."""
    on_page: bool = True

    def cell(self, row: Any) -> "Cell":
        """What the row shows in this column."""
        value = getattr(row, self.field)
        if self.kind == "due":
            style = "red" if row.is_overdue else ""
            return Cell(due_of(row), value and value.timestamp(), style)
        if value is None:
            return Cell(_MISSING.get(self.field, "-"), None)
        if self.kind == "time":
            return Cell(at(value), value.timestamp())
        if self.kind == "rate":
            return Cell(percent(value), value)
        if self.kind == "range":
            return Cell(f"{percent(value)} to {percent(row.rate_high)}", value)
        if self.kind == "figure":
            return Cell(f"{value:,}", value)
        return Cell(value or "-", value, _COLOURS.get(value, "") if self.field == "change" else "")

    @property
    def sorts(self) -> str:
        """How the page aligns and sorts it: as text, word, figure or time."""
        return {"rate": "figure", "due": "time"}.get(self.kind, self.kind)


class Cell(NamedTuple):
    """What a table shows, what it sorts by (None sorts last), and its colour in the terminal."""

    text: str
    sort: str | float | None
    style: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the report; one without a title in the terminal is for the page alone."""

    title: str
    terminal_title: str | None
    columns: Sequence[Column]
    listed: Listed[Any]
    lead: str = ""
    """A sentence above it."""

    @property
    def counted(self) -> str:
        """How many rows there are, and how many of them the page has."""
        shown, total = len(self.listed.rows), self.listed.total
        if shown < total:
            return f"the first {shown:,} of {total:,} rows"
        return "1 row" if total == 1 else f"{total:,} rows"


_CODE = Column("code", "code", "word", 10)
_POINTER = Column("pointer", "pointer", "text", REST)
_TITLE = Column("title", "title", "text", REST)
_FAILED = Column("failed", "failed", "figure", NATURAL)
_NUMBERS = Column("numbers", "numbers", "figure")
_LAST_FAILED = Column("last_failed_at", "last failed", "time")
_CHANGES = (
    *(Column("change", "change", "word", 7), _CODE, _POINTER),
    Column("failure_rate", "rate", "rate", NATURAL),
    Column("earlier_rate", "rate before", "rate", NATURAL, "before"),
    _FAILED,
    Column("earlier_failed", "failed before", "figure", NATURAL, "before"),
)
_RATES = (
    _FAILED,
    Column("failure_rate", "rate", "rate", NATURAL),
    Column("rate_low", "95 % range", "range", NATURAL, on_page=False),
    Column("failure_rate", "", "bar", 16, on_page=False),
    Column("rate_low", "95 % from", "rate"),
    Column("rate_high", "to", "rate"),
    *(_NUMBERS, _LAST_FAILED),
)
_NEWEST = (
    Column("first_failed_at", "first seen", "time", 16),
    *(_CODE, _POINTER, _TITLE._replace(width=28), _FAILED, _NUMBERS, _LAST_FAILED),
)
_FAILING = (
    Column("number", "number", "word", 20),
    Column("job_type", "job type", "word", 26),
    Column("codes", "error codes", "text", REST),
    Column("consecutive_failures", "failed in a row", "figure", NATURAL, "in a row"),
    Column("pointers", "pointers", "text"),
    _LAST_FAILED._replace(width=16),
)
_OPEN_JOBS = (
    Column("job_id", "job", "word", REST),
    Column("job_type", "job type", "word", 25),
    Column("status", "status", "word", 11),
    Column("pending", "pending", "figure", NATURAL),
    Column("created_at", "created", "time"),
    Column("estimated_completion_at", "due", "due", 14),
)


def trend_table(report: Report) -> Table | None:
    """What changed in the last days; None if nothing has failed."""
    if not (report.newest_at and report.codes.rows):
        return None
    return Table(TREND, TREND, _CHANGES, report.changes, trend_of(report))


def tables_of(report: Report) -> Iterator[Table]:
    """The other tables, those that have rows."""
    rate, newest = "Failure rate by", "First seen in the newest 7 days"
    tables = [
        Table("By error code", f"{rate} error code", (_CODE, _TITLE, *_RATES), report.codes),
        Table("By pointer", f"{rate} pointer", (_POINTER, *_RATES), report.pointers),
        Table("By error code and pointer", None, (_CODE, _POINTER, *_RATES), report.pairs),
        Table(newest, newest, _NEWEST, report.newest),
        Table("Numbers still failing", "Numbers still failing", _FAILING, report.numbers),
        Table("Open jobs", "Open jobs", _OPEN_JOBS, report.open_jobs),
    ]
    yield from (table for table in tables if table.listed.rows)
