"""The report as a page for a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from telnyx_jobs.report.figures import Failures, Listed, Report
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

WIDTH = 100
"""Columns of the page."""
TOP = 10
"""Rows shown of each list."""
_BAR_WIDTH = 16


@dataclass(frozen=True)
class Column:
    """A column of a table for the terminal; the wide one gets the remaining width."""

    name: str
    width: int | None = None
    wide: bool = False
    right: bool = False


def text_page(report: Report, console: Console) -> str:
    """The page as a terminal shows it; plain text of 100 columns without a terminal."""
    console.width = min(WIDTH, console.width) if console.is_terminal else WIDTH
    with console.capture() as page:
        console.print(*_page(report), sep="\n")
    return "\n".join(line.rstrip() for line in page.get().splitlines())


def _page(report: Report) -> Iterator[RenderableType]:
    yield Text(f"{report.database}: what fails, how often, since when", style="bold")
    yield Text(f"{freshness_of(report)}. All times are UTC.", style="red" if report.is_old else "")
    yield _totals(report)
    yield from map(Text, remarks_of(report))
    if not report.codes.total:
        yield Text("\nNothing has failed." if report.totals.jobs else "\nNo jobs yet.")
    if report.newest_at and report.codes.total:
        yield from _trend(report)
    if report.codes.total:
        code, title = Column("code", width=10), Column("title", wide=True)
        yield _section(
            "Failure rate by error code", report.codes, _rate_table([code, title], report.codes)
        )
        pointer = Column("pointer", wide=True)
        yield _section(
            "Failure rate by pointer", report.pointers, _rate_table([pointer], report.pointers)
        )
    if report.newest.total:
        yield _section("First seen in the newest 7 days", report.newest, _newest(report))
    if report.numbers.total:
        yield _section("Numbers still failing", report.numbers, _numbers(report))
    if report.open_jobs.total:
        yield _section("Open jobs", report.open_jobs, _open_jobs(report))


def _totals(report: Report) -> Table:
    totals = report.totals
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row("jobs", f"{totals.jobs:,}")
    table.add_row("  open", f"{report.open_jobs.total:,}, {totals.overdue:,} overdue")
    table.add_row("operations settled", f"{totals.settled:,}")
    table.add_row("  failed", f"{totals.failed:,}")
    table.add_row("failure rate", Text(percent(totals.failure_rate), style="bold"))
    table.add_row("numbers still failing", f"{totals.failing_numbers:,}")
    return table


def _trend(report: Report) -> Iterator[RenderableType]:
    yield Text(f"\n{TREND}", style="bold")
    yield Text(trend_of(report))
    if not report.changes.total:
        yield Text("Nothing is new, rising, falling or gone.")
        return
    table = _table(
        Column("change", width=7),
        Column("code", width=10),
        Column("pointer", wide=True),
        *(Column(name, right=True) for name in ("rate", "before", "failed", "before")),
    )
    for change in report.changes.rows[:TOP]:
        is_worse = change.change in ("new", "rising")
        table.add_row(
            Text(change.change, style="red" if is_worse else "green"),
            Text(code_of(change)),
            Text(pointer_of(change)),
            percent(change.failure_rate),
            percent(change.earlier_rate),
            f"{change.failed:,}",
            f"{change.earlier_failed:,}",
        )
    yield table
    yield from _rest(report.changes)


def _section(title: str, listed: Listed[Any], table: Table) -> Group:
    return Group(Text(f"\n{title}", style="bold"), table, *_rest(listed))


def _rest(listed: Listed[Any]) -> Iterator[Text]:
    if listed.total > TOP:
        yield Text(f"and {listed.total - TOP:,} more rows", style="dim")


def _rate_table(first: Sequence[Column], failures: Listed[Failures]) -> Table:
    """The columns given, then counts, rates and a bar; rows as the first cells of each."""
    columns = (Column("failed", right=True), Column("rate", right=True), Column("95 % range"))
    table = _table(*first, *columns, Column("", width=_BAR_WIDTH))
    highest = max(failure.failure_rate for failure in failures.rows)
    for failure in failures.rows[:TOP]:
        texts = {"code": code_of(failure), "pointer": pointer_of(failure), "title": failure.title}
        table.add_row(
            *(Text(texts[column.name] or "-") for column in first),
            f"{failure.failed:,}",
            percent(failure.failure_rate),
            f"{percent(failure.rate_low)} to {percent(failure.rate_high)}",
            Bar(highest, 0, failure.failure_rate, width=_BAR_WIDTH, color="red"),
        )
    return table


def _newest(report: Report) -> Table:
    table = _table(
        Column("first seen", width=16),
        Column("code", width=10),
        Column("pointer", wide=True),
        Column("title", width=28),
        Column("failed", right=True),
    )
    for new in report.newest.rows[:TOP]:
        table.add_row(
            at(new.first_failed_at),
            Text(code_of(new)),
            Text(pointer_of(new)),
            Text(new.title or "-"),
            f"{new.failed:,}",
        )
    return table


def _numbers(report: Report) -> Table:
    table = _table(
        Column("number", width=20),
        Column("job type", width=26),
        Column("error codes", wide=True),
        Column("in a row", right=True),
        Column("last failed", width=16),
    )
    for number in report.numbers.rows[:TOP]:
        table.add_row(
            Text(number.number),
            Text(number.job_type or "-"),
            Text(number.codes or "-"),
            f"{number.consecutive_failures:,}",
            at(number.last_failed_at),
        )
    return table


def _open_jobs(report: Report) -> Table:
    table = _table(
        Column("job", wide=True),
        Column("job type", width=25),
        Column("status", width=11),
        Column("pending", right=True),
        Column("due", width=14),
    )
    for job in report.open_jobs.rows[:TOP]:
        table.add_row(
            Text(job.job_id),
            Text(job.job_type or "-"),
            Text(job.status or "-"),
            "-" if job.pending is None else f"{job.pending:,}",
            Text(due_of(job, report.read_at), style="red" if job.is_overdue else ""),
        )
    return table


def _table(*columns: Column) -> Table:
    """A table of one line per row: texts that are too long end in an ellipsis."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True, header_style="dim")
    for column in columns:
        table.add_column(
            column.name,
            justify="right" if column.right else "left",
            ratio=1 if column.wide else None,
            max_width=column.width,
            no_wrap=True,
            overflow="ellipsis",
        )
    return table
