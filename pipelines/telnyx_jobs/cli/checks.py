"""The commands that look and write nothing: `check`, `status` and `verify`."""

from contextlib import nullcontext
from datetime import UTC, datetime
from json import dumps

import typer

from telnyx_jobs.cli import options
from telnyx_jobs.cli.access import access_to, settings_of
from telnyx_jobs.cli.output import checked, counted, print_table, standing
from telnyx_jobs.cli.parsing import is_from_schedule
from telnyx_jobs.cli.progress import reporting
from telnyx_jobs.progress import nothing
from telnyx_jobs.settings import DEFAULTS, Scope


def check(
    context: typer.Context,
    demo: options.Demo = False,
    database: options.Database = DEFAULTS.database,
    base_url: options.BaseUrl = DEFAULTS.base_url,
    max_retries: options.MaxRetries = 1,
    timeout: options.Timeout = 10.0,
    destination: options.Destination = DEFAULTS.destination,
    dataset: options.Dataset = DEFAULTS.dataset,
    views_schema: options.ViewsSchema = DEFAULTS.views_schema,
    json: options.Json = False,
) -> None:
    """Check key, API, clock, folder, disk, file, account, lock and versions; write nothing."""
    from telnyx_jobs.checks.preflight import check as run_check
    from telnyx_jobs.checks.preflight import first_failure, versions
    from telnyx_jobs.destinations.choose import destination_for

    given = nullcontext((base_url, ""))
    with access_to(base_url, nothing, demo=True) if demo else given as (url, key):
        settings = settings_of(
            context,
            database,
            base_url=url,
            api_key=key,
            creates_folder=is_from_schedule(context, "database"),
        )
        found = run_check(settings, destination_for(settings))
    code = first_failure(found)
    if json:
        printed = {"exit_code": code, "checks": [each.as_json() for each in found]}
        print(dumps(printed | {"versions": versions()}))
    else:
        print(checked(found))
    if code:
        raise typer.Exit(code)


def status(
    context: typer.Context,
    database: options.ReadDatabase = DEFAULTS.database,
    max_age: options.MaxAge = None,
    destination: options.Destination = DEFAULTS.destination,
    dataset: options.Dataset = DEFAULTS.dataset,
    views_schema: options.ViewsSchema = DEFAULTS.views_schema,
    json: options.Json = False,
    prometheus: options.Prometheus = False,
) -> None:
    """Print the last run, how fresh the file is, and which jobs are open."""
    from telnyx_jobs.checks.status import read_status
    from telnyx_jobs.destinations.choose import destination_for

    if json and prometheus:
        raise typer.BadParameter("--json and --prometheus exclude each other: give one of them")
    target = destination_for(settings_of(context, database.absolute()))
    found = read_status(target)
    if prometheus:
        from telnyx_jobs.checks.metrics import metrics

        print(metrics(found, target), end="")
    else:
        print(dumps(found.as_json()) if json else standing(found))
    if (
        found.is_in_future
        or found.published_at is None
        or (max_age is not None and found.is_older_than(max_age))
    ):
        raise typer.Exit(1)


def verify(
    context: typer.Context,
    demo: options.Demo = False,
    database: options.ReadDatabase = DEFAULTS.database,
    base_url: options.BaseUrl = DEFAULTS.base_url,
    max_retries: options.MaxRetries = DEFAULTS.max_retries,
    timeout: options.Timeout = DEFAULTS.timeout,
    destination: options.Destination = DEFAULTS.destination,
    dataset: options.Dataset = DEFAULTS.dataset,
    views_schema: options.ViewsSchema = DEFAULTS.views_schema,
    sample: options.Sample = 25,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Test the published file's data, and compare it with the API: totals and a sample of jobs."""
    from telnyx_jobs.checks.verify import verify as run_verify
    from telnyx_jobs.destinations.choose import destination_for
    from telnyx_jobs.run.summary import new_run_id

    run_id = new_run_id(datetime.now(UTC))
    with (
        reporting(run_id, quiet=quiet) as report,
        access_to(base_url, report, demo=demo) as (url, key),
    ):
        settings = settings_of(
            context,
            database,
            base_url=url,
            api_key=key,
            scope=Scope(is_demo=demo),
            # the total is all that is needed of a list page
            page_size=1,
        )
        target = destination_for(settings, report)
        found = run_verify(settings, target, report, sample=sample)
    differences = found.differences
    if json:
        print(dumps([difference._asdict() for difference in differences]))
    elif differences:
        print_table(differences[0]._fields, differences)
    else:
        print(f"{target.name} agrees with the API")
    if found.changed and not json:
        # each was open, updated or created meanwhile
        print(f"{counted(len(found.changed), 'job')} changed at Telnyx since the last sync")
    if differences:
        raise typer.Exit(1)
