"""The report as one page of HTML that needs no network: its tables, and the charts around them."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from telnyx_jobs.errors import CannotWrite
from telnyx_jobs.files import write_whole
from telnyx_jobs.report.charts import charts_of
from telnyx_jobs.report.figures import Change, Failures, Listed, NewFailure, Report
from telnyx_jobs.report.wording import (
    TREND,
    at,
    code_of,
    due_of,
    freshness_of,
    percent,
    pointer_of,
    remarks_of,
    trend_of,
)

_BREAKS = re.compile(r"(?<=.[/_])(?=.)")


class Column(NamedTuple):
    """Figures are aligned right, and sort high to low first; times sort by their instant.

    A word, such as a code or a job type, is broken into lines on a phone only.
    """

    name: str
    kind: Literal["text", "word", "figure", "time"]


@dataclass(frozen=True)
class Cell:
    """What a table shows, and what it sorts by; None sorts last."""

    text: str
    sort: str | float | None


@dataclass(frozen=True)
class Table:
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    total: int
    lead: str = ""
    """A sentence above it."""

    @property
    def counted(self) -> str:
        """How many rows there are, and how many of them the page has."""
        if len(self.rows) < self.total:
            return f"the first {len(self.rows):,} of {self.total:,} rows"
        return "1 row" if self.total == 1 else f"{self.total:,} rows"


def write_html(report: Report, file: Path) -> int:
    """Write the page whole or not at all, and replace an old one; returns its size in bytes."""
    page = html_page(report).encode()
    target = file.resolve()
    try:
        if target.exists() and not target.is_file():
            raise CannotWrite(f"{file} is not a plain file: give another --html")
        # whoever could read the old page can read the new one
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        write_whole(target, page, mode=mode)
    except OSError as error:
        raise CannotWrite(
            f"{file} cannot be written ({error.strerror}): give --html a place that can"
        ) from None
    return len(page)


def html_page(report: Report) -> str:
    """The page, complete in itself."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["csp_hash"] = _csp_hash
    environment.filters["breakable"] = _breakable
    return environment.get_template("page.html").render(
        report=report,
        freshness=freshness_of(report),
        remarks=remarks_of(report),
        written_at=at(report.read_at),
        failure_rate=percent(report.totals.failure_rate),
        trend=_trend(report) if report.newest_at and report.codes.rows else None,
        charts=list(charts_of(report)),
        tables=list(_tables(report)),
    )


def _csp_hash(script: str) -> str:
    """The hash that a content security policy allows: no other script may run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _breakable(text: str) -> Markup:
    """The text as markup that may break after a slash or an underscore: pointers have no spaces."""
    return Markup(_BREAKS.sub("<wbr>", str(escape(text))))


def _tables(report: Report) -> Iterator[Table]:
    if report.codes.rows:
        yield _rates("By error code", report.codes, ("code", "title"))
        yield _rates("By pointer", report.pointers, ("pointer",))
        yield _rates("By error code and pointer", report.pairs, ("code", "pointer"))
    if report.newest.rows:
        yield _newest(report)
    if report.numbers.rows:
        yield _numbers(report)
    if report.open_jobs.rows:
        yield _open_jobs(report)


def _trend(report: Report) -> Table:
    figures = ("rate", "rate before", "failed", "failed before")
    return Table(
        TREND,
        [
            *(Column(name, "word") for name in ("change", "code")),
            Column("pointer", "text"),
            *(Column(name, "figure") for name in figures),
        ],
        [
            [
                _text(change.change),
                _code(change),
                _pointer(change),
                _rate(change.failure_rate),
                _rate(change.earlier_rate),
                _count(change.failed),
                _count(change.earlier_failed),
            ]
            for change in report.changes.rows
        ],
        report.changes.total,
        trend_of(report),
    )


def _rates(title: str, failures: Listed[Failures], names: Sequence[str]) -> Table:
    return Table(
        title,
        [
            *(Column(name, "word" if name == "code" else "text") for name in names),
            *(Column(name, "figure") for name in ("failed", "rate", "95 % from", "to", "numbers")),
            Column("last failed", "time"),
        ],
        [
            [
                *(_CELLS[name](failure) for name in names),
                _count(failure.failed),
                _rate(failure.failure_rate),
                _rate(failure.rate_low),
                _rate(failure.rate_high),
                _count(failure.numbers),
                _time(failure.last_failed_at),
            ]
            for failure in failures.rows
        ],
        failures.total,
    )


def _newest(report: Report) -> Table:
    return Table(
        "First seen in the newest 7 days",
        [
            Column("first seen", "time"),
            Column("code", "word"),
            *(Column(name, "text") for name in ("pointer", "title")),
            *(Column(name, "figure") for name in ("failed", "numbers")),
            Column("last failed", "time"),
        ],
        [
            [
                _time(new.first_failed_at),
                _code(new),
                _pointer(new),
                _text(new.title),
                _count(new.failed),
                _count(new.numbers),
                _time(new.last_failed_at),
            ]
            for new in report.newest.rows
        ],
        report.newest.total,
    )


def _numbers(report: Report) -> Table:
    return Table(
        "Numbers still failing",
        [
            *(Column(name, "word") for name in ("number", "job type")),
            Column("failed in a row", "figure"),
            *(Column(name, "text") for name in ("error codes", "pointers")),
            Column("last failed", "time"),
        ],
        [
            [
                _text(number.number),
                _text(number.job_type),
                _count(number.consecutive_failures),
                _text(number.codes),
                _text(number.pointers),
                _time(number.last_failed_at),
            ]
            for number in report.numbers.rows
        ],
        report.numbers.total,
    )


def _open_jobs(report: Report) -> Table:
    return Table(
        "Open jobs",
        [
            *(Column(name, "word") for name in ("job", "job type", "status")),
            Column("pending", "figure"),
            *(Column(name, "time") for name in ("created", "due")),
        ],
        [
            [
                _text(job.job_id),
                _text(job.job_type),
                _text(job.status),
                _count(job.pending),
                _time(job.created_at),
                Cell(due_of(job, report.read_at), _time(job.estimated_completion_at).sort),
            ]
            for job in report.open_jobs.rows
        ],
        report.open_jobs.total,
    )


def _text(text: str | None) -> Cell:
    return Cell(text or "-", text)


def _count(count: int | None) -> Cell:
    return Cell("-" if count is None else f"{count:,}", count)


def _rate(rate: float | None) -> Cell:
    return Cell(percent(rate), rate)


def _time(time: datetime | None) -> Cell:
    return Cell(at(time), time.timestamp() if time else None)


def _code(failure: Failures | NewFailure | Change) -> Cell:
    return Cell(code_of(failure), failure.code)


def _pointer(failure: Failures | NewFailure | Change) -> Cell:
    return Cell(pointer_of(failure), failure.pointer)


_CELLS: dict[str, Callable[[Failures], Cell]] = {
    "code": _code,
    "pointer": _pointer,
    "title": lambda failure: _text(failure.title),
}
