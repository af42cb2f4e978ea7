"""The commands that remove data for good: `forget` and `prune`."""

from datetime import UTC, datetime
from json import dumps

import typer

from telnyx_jobs.cli import options
from telnyx_jobs.cli.access import settings_of
from telnyx_jobs.cli.output import forgot, pruned
from telnyx_jobs.cli.progress import reporting
from telnyx_jobs.settings import DEFAULTS


def forget(
    context: typer.Context,
    phone_number: options.PhoneNumbers = None,
    phone_number_id: options.PhoneNumberIds = None,
    database: options.ChangedDatabase = DEFAULTS.database,
    destination: options.Destination = DEFAULTS.destination,
    dataset: options.Dataset = DEFAULTS.dataset,
    views_schema: options.ViewsSchema = DEFAULTS.views_schema,
    wait: options.Wait = DEFAULTS.wait,
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
    settings = settings_of(context, database)
    with reporting(new_run_id(datetime.now(UTC)), quiet=quiet) as report:
        done = run_forget(settings, destination_for(settings, report), numbers, ids)
    print(dumps(done.as_json()) if json else forgot(done))


def prune(
    context: typer.Context,
    before: options.Before,
    database: options.ChangedDatabase = DEFAULTS.database,
    destination: options.Destination = DEFAULTS.destination,
    dataset: options.Dataset = DEFAULTS.dataset,
    views_schema: options.ViewsSchema = DEFAULTS.views_schema,
    wait: options.Wait = DEFAULTS.wait,
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
    settings = settings_of(context, database)
    with reporting(new_run_id(datetime.now(UTC)), quiet=quiet) as report:
        done = run_prune(settings, destination_for(settings, report), before)
    print(dumps(done.as_json()) if json else pruned(done, before))
