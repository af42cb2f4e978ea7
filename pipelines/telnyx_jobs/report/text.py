"""The report as a page for a terminal."""

from collections.abc import Iterator

from rich.bar import Bar
from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from telnyx_jobs.report.figures import Report
from telnyx_jobs.report.tables import HIDDEN, REST, Table, tables_of, trend_table
from telnyx_jobs.report.wording import freshness_of, percent, remarks_of

WIDTH = 100
"""Columns of the page."""
TOP = 10
"""Rows shown of each list."""


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
    if trend := trend_table(report):
        yield from _section(trend)
    for table in tables_of(report):
        yield from _section(table)


def _totals(report: Report) -> RichTable:
    totals = report.totals
    table = RichTable(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row("jobs", f"{totals.jobs:,}")
    table.add_row("  open", f"{report.open_jobs.total:,}, {totals.overdue:,} overdue")
    table.add_row("operations settled", f"{totals.settled:,}")
    table.add_row("  failed", f"{totals.failed:,}")
    table.add_row("failure rate", Text(percent(totals.failure_rate), style="bold"))
    table.add_row("numbers still failing", f"{totals.failing_numbers:,}")
    return table


def _section(table: Table) -> Iterator[RenderableType]:
    if table.terminal_title is None:
        return
    yield Text(f"\n{table.terminal_title}", style="bold")
    if table.lead:
        yield Text(table.lead)
    if not table.listed.rows:
        yield Text("Nothing is new, rising, falling or gone.")
        return
    yield _drawn(table)
    if table.listed.total > TOP:
        yield Text(f"and {table.listed.total - TOP:,} more rows", style="dim")


def _drawn(table: Table) -> RichTable:
    """A table of one line per row: texts that are too long end in an ellipsis."""
    columns = [column for column in table.columns if column.width is not HIDDEN]
    drawn = RichTable(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True, header_style="dim"
    )
    for column in columns:
        drawn.add_column(
            column.name if column.short is None else column.short,
            justify="right" if column.kind in ("figure", "rate") else "left",
            ratio=1 if column.width == REST else None,
            max_width=column.width if column.width and column.width > 0 else None,
            no_wrap=True,
            overflow="ellipsis",
        )
    highest = max(getattr(row, "failure_rate", None) or 0.0 for row in table.listed.rows)
    for row in table.listed.rows[:TOP]:
        drawn.add_row(
            *(
                Bar(highest, 0, row.failure_rate, width=column.width, color="red")
                if column.kind == "bar"
                else Text(column.cell(row).text, column.cell(row).style)
                for column in columns
            )
        )
    return drawn
