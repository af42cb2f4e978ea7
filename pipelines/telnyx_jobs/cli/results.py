"""The commands that show the published file or write it out: `report` and `export`."""

from datetime import UTC, datetime
from json import dumps

import typer

from telnyx_jobs.cli import options
from telnyx_jobs.cli.access import settings_of
from telnyx_jobs.cli.output import exported_to
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
