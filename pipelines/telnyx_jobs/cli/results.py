"""The commands that show what is published, or write it out: `report`, `query` and so on."""

import shutil
import sys
from datetime import UTC, datetime
from json import dumps

import typer

from telnyx_jobs.cli import options
from telnyx_jobs.cli.access import settings_of
from telnyx_jobs.cli.output import exported_to
from telnyx_jobs.cli.process import print_line
from telnyx_jobs.cli.progress import reporting
from telnyx_jobs.cli.startup import with_docstrings
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.settings import DEFAULTS


def report(
    context: typer.Context,
    database: options.ReadDatabase = DEFAULTS.database,
    html: options.Html = None,
    destination: options.Destination = DEFAULTS.destination,
    dataset: options.Dataset = DEFAULTS.dataset,
    views_schema: options.ViewsSchema = DEFAULTS.views_schema,
) -> None:
    """Show what fails, how often and since when, and which numbers still fail."""
    from rich.console import Console

    from telnyx_jobs.destinations.choose import destination_for
    from telnyx_jobs.report.figures import read_report

    target = destination_for(settings_of(context, database))
    found = read_report(target, datetime.now(UTC))
    if html is None:
        from telnyx_jobs.report.text import text_page

        print(text_page(found, Console(highlight=False)))
    else:
        with_docstrings()
        try:
            from telnyx_jobs.report.html import write_html
        except ModuleNotFoundError as missing:
            raise BadConfiguration(
                f"--html needs {missing.name}, which is not installed: "
                "run pip install 'telnyx-jobs[report]'"
            ) from None

        size = write_html(found, html)
        print(f"Wrote {html} ({size:,} bytes)")


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


def export(
    to: options.To,
    database: options.ReadDatabase = DEFAULTS.database,
    format: options.Format = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the published file out for other engines, with the views as Spark SQL."""
    from telnyx_jobs.export.formats import Export
    from telnyx_jobs.run.summary import new_run_id

    try:
        asked = Export(to, format)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None
    run_id = new_run_id(datetime.now(UTC))
    with reporting(run_id, quiet=quiet) as report:
        exported = asked.write(database.absolute(), run_id, report)
    print(dumps(exported.as_json() | {"folder": to}) if json else exported_to(exported, to))


def _terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None if it is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
