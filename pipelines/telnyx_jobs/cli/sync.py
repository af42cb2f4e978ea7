"""The command `sync`."""

from dataclasses import replace
from datetime import UTC
from json import dumps

import typer

from telnyx_jobs.cli import options
from telnyx_jobs.cli.access import access_to, settings_of
from telnyx_jobs.cli.output import planned, synced
from telnyx_jobs.cli.parsing import is_from_schedule
from telnyx_jobs.cli.progress import reporting
from telnyx_jobs.cli.startup import make_lean
from telnyx_jobs.settings import DEFAULTS, Scope


def sync(
    context: typer.Context,
    demo: options.Demo = False,
    database: options.Database = DEFAULTS.database,
    base_url: options.BaseUrl = DEFAULTS.base_url,
    full: options.Full = False,
    since: options.Since = None,
    job_id: options.JobIds = None,
    job_type: options.JobTypes = None,
    dry_run: options.DryRun = False,
    page_size: options.PageSize = DEFAULTS.page_size,
    audit_pages: options.AuditPages = DEFAULTS.audit_pages,
    max_requests: options.MaxRequests = None,
    max_retries: options.MaxRetries = DEFAULTS.max_retries,
    timeout: options.Timeout = DEFAULTS.timeout,
    wait: options.Wait = DEFAULTS.wait,
    destination: options.Destination = DEFAULTS.destination,
    dataset: options.Dataset = DEFAULTS.dataset,
    views_schema: options.ViewsSchema = DEFAULTS.views_schema,
    mask_phone_numbers: options.MaskPhoneNumbers = False,
    same_account: options.SameAccount = False,
    file_mode: options.FileMode = f"{DEFAULTS.file_mode:04o}",
    webhook: options.Webhook = None,
    ping: options.Ping = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Bring the published DuckDB file, or a warehouse, up to date with the API."""
    scope = Scope(
        full=full,
        since=since and since.replace(tzinfo=since.tzinfo or UTC),
        job_ids=tuple(job_id or ()),
        job_types=tuple(map(str, job_type or ())),
        is_demo=demo,
        same_account=same_account,
    )
    make_lean()
    from telnyx_jobs.destinations.choose import destination_for
    from telnyx_jobs.run.dry_run import plan as dry_run_of
    from telnyx_jobs.run.summary import new_summary
    from telnyx_jobs.run.sync import sync as run_sync

    settings = settings_of(
        context,
        database,
        scope=scope,
        creates_folder=is_from_schedule(context, "database"),
        file_mode=int(file_mode, 8),
    )
    summary = new_summary(scope.mode)
    # it knows webhook and ping already
    notifier = context.obj
    with reporting(summary.run_id, quiet=quiet) as report:
        target = destination_for(settings, report)
        summary.database = target.name
        notifier.follow(summary)
        with access_to(base_url, report, demo=demo) as (url, key):
            settings = replace(settings, base_url=url, api_key=key)
            if dry_run:
                plan = dry_run_of(settings, target, report)
                text, as_json = planned(plan), plan.as_json()
            else:
                run_sync(settings, target, summary, report, notifier.started)
                text, as_json = synced(summary), summary.as_json()
    print(dumps(as_json) if json else text)
    if summary.unknown_job_ids:
        raise typer.Exit(1)
