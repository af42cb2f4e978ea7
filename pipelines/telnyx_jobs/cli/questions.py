"""The commands that answer a user's own question: `query` and `worklist`."""

import shutil
import sys

import typer

from telnyx_jobs.cli import options
from telnyx_jobs.cli.access import settings_of
from telnyx_jobs.cli.process import print_line
from telnyx_jobs.settings import DEFAULTS


def query(
    context: typer.Context,
    sql: options.Sql,
    database: options.ReadDatabase = DEFAULTS.database,
    destination: options.Destination = DEFAULTS.destination,
    dataset: options.Dataset = DEFAULTS.dataset,
    views_schema: options.ViewsSchema = DEFAULTS.views_schema,
    # a name of its own: the setting `format` is the one of exports
    row_format: options.Rows = options.RowFormat.TABLE,
) -> None:
    """Run SQL on the published file or a warehouse, read-only."""
    from telnyx_jobs.destinations.answer import WrongQuery
    from telnyx_jobs.destinations.choose import destination_for
    from telnyx_jobs.report.query import query as run_query

    target = destination_for(settings_of(context, database.absolute()))
    try:
        run_query(target, sql, row_format, sys.stdout, _terminal_width())
    except WrongQuery as wrong:
        raise typer.BadParameter(str(wrong), param_hint="SQL") from None


def worklist(
    context: typer.Context,
    database: options.ReadDatabase = DEFAULTS.database,
    destination: options.Destination = DEFAULTS.destination,
    dataset: options.Dataset = DEFAULTS.dataset,
    views_schema: options.ViewsSchema = DEFAULTS.views_schema,
    row_format: options.Rows = options.RowFormat.TABLE,
    requests: options.Requests = None,
) -> None:
    """List the numbers that still fail, with the value sent; or write requests to retry them."""
    from telnyx_jobs.destinations.choose import destination_for
    from telnyx_jobs.report.worklist import worklist as print_worklist
    from telnyx_jobs.report.worklist import write_requests

    target = destination_for(settings_of(context, database.absolute()))
    width = _terminal_width()
    if requests is None:
        print_worklist(target, row_format, sys.stdout, width)
        return
    nulls = write_requests(target, requests.absolute(), row_format, sys.stdout, width)
    if nulls:
        names = ", ".join(sorted(nulls))
        print_line("warning", "warning", f"left out, null is not allowed there: {names}")


def _terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None if it is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
