"""The commands that remove data for good: `forget` and `prune`."""

from datetime import UTC, datetime
from json import dumps
from pathlib import Path

import typer

from telnyx_jobs.cli import options
from telnyx_jobs.cli.output import forgot, pruned
from telnyx_jobs.cli.progress import reporting
from telnyx_jobs.schema import RAW_SCHEMA, VIEW_SCHEMA
from telnyx_jobs.settings import DEFAULT_DATABASE, DUCKDB, Settings


def forget(
    phone_number: options.PhoneNumbers = None,
    phone_number_id: options.PhoneNumberIds = None,
    database: options.ChangedDatabase = Path(DEFAULT_DATABASE),
    destination: options.Destination = DUCKDB,
    dataset: options.Dataset = RAW_SCHEMA,
    views_schema: options.ViewsSchema = VIEW_SCHEMA,
    wait: options.Wait = 0.0,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Remove phone numbers for good, also from what later syncs read."""
    from telnyx_jobs.destinations.choose import destination_for
    from telnyx_jobs.run.forget import forget as run_forget
    from telnyx_jobs.run.summary import new_run_id

    numbers, ids = phone_number or [], phone_number_id or []
    if not numbers and not ids:
        raise typer.BadParameter("give --phone-number or --phone-number-id, as often as needed")
    settings = Settings(
        database, wait=wait, destination=destination, dataset=dataset, views_schema=views_schema
    )
    with reporting(new_run_id(datetime.now(UTC)), quiet=quiet) as report:
        done = run_forget(settings, destination_for(settings, report), numbers, ids)
    print(dumps(done.as_json()) if json else forgot(done))


def prune(
    before: options.Before,
    database: options.ChangedDatabase = Path(DEFAULT_DATABASE),
    destination: options.Destination = DUCKDB,
    dataset: options.Dataset = RAW_SCHEMA,
    views_schema: options.ViewsSchema = VIEW_SCHEMA,
    wait: options.Wait = 0.0,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Remove finished jobs created before a date, and do not fetch them again."""
    from telnyx_jobs.destinations.choose import destination_for
    from telnyx_jobs.run.prune import prune as run_prune
    from telnyx_jobs.run.summary import new_run_id

    before = before.replace(tzinfo=before.tzinfo or UTC)
    if before > datetime.now(UTC):
        raise typer.BadParameter(
            "it is in the future: give a date of the past", param_hint="'--before'"
        )
    settings = Settings(
        database, wait=wait, destination=destination, dataset=dataset, views_schema=views_schema
    )
    with reporting(new_run_id(datetime.now(UTC)), quiet=quiet) as report:
        done = run_prune(settings, destination_for(settings, report), before)
    print(dumps(done.as_json()) if json else pruned(done, before))
