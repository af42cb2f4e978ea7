"""The commands that answer a user's own question: `query` and `worklist`."""

import shutil
import sys
from pathlib import Path

import typer

from telnyx_jobs.cli import options
from telnyx_jobs.cli.process import print_line
from telnyx_jobs.settings import DEFAULT_DATABASE


def query(
    sql: options.Sql,
    database: options.Database = Path(DEFAULT_DATABASE),
    # a name of its own: the setting `format` is the one of exports
    row_format: options.Rows = options.RowFormat.TABLE,
) -> None:
    """Run SQL on the published file, read-only: it reads nothing else and writes nothing."""
    from telnyx_jobs.report.query import WrongQuery
    from telnyx_jobs.report.query import query as run_query

    try:
        run_query(database.absolute(), sql, row_format, sys.stdout, _terminal_width())
    except WrongQuery as wrong:
        raise typer.BadParameter(str(wrong), param_hint="SQL") from None


def worklist(
    database: options.Database = Path(DEFAULT_DATABASE),
    row_format: options.Rows = options.RowFormat.TABLE,
    requests: options.Requests = None,
) -> None:
    """List the numbers that still fail, with code, pointer and what was sent; or write requests."""
    from telnyx_jobs.report.worklist import worklist as print_worklist
    from telnyx_jobs.report.worklist import write_requests

    width = _terminal_width()
    if requests is None:
        print_worklist(database.absolute(), row_format, sys.stdout, width)
        return
    nulls = write_requests(database.absolute(), requests.absolute(), row_format, sys.stdout, width)
    if nulls:
        names = ", ".join(sorted(nulls))
        print_line("warning", "warning", f"left out, null is not allowed there: {names}")


def _terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None if it is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
