"""The command `sync`."""

from dataclasses import replace
from datetime import UTC
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from telnyx_jobs.cli import options
from telnyx_jobs.cli.access import access_to
from telnyx_jobs.cli.output import planned, synced
from telnyx_jobs.cli.parsing import is_from_schedule
from telnyx_jobs.cli.progress import reporting
from telnyx_jobs.cli.startup import make_lean
from telnyx_jobs.schema import RAW_SCHEMA, VIEW_SCHEMA
from telnyx_jobs.settings import (
    DEFAULT_BASE_URL,
    DEFAULT_DATABASE,
    DEFAULT_FILE_MODE,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    DUCKDB,
    MAX_PAGE_SIZE,
    Scope,
    Settings,
)

if TYPE_CHECKING:
    from telnyx_jobs.cli.notify import Notifier


def sync(
    context: typer.Context,
    demo: options.Demo = False,
    database: options.Database = Path(DEFAULT_DATABASE),
    base_url: options.BaseUrl = DEFAULT_BASE_URL,
    full: options.Full = False,
    since: options.Since = None,
    job_id: options.JobIds = None,
    job_type: options.JobTypes = None,
    dry_run: options.DryRun = False,
    page_size: options.PageSize = MAX_PAGE_SIZE,
    audit_pages: options.AuditPages = 1,
    max_requests: options.MaxRequests = None,
    max_retries: options.MaxRetries = DEFAULT_RETRIES,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    wait: options.Wait = 0.0,
    destination: options.Destination = DUCKDB,
    dataset: options.Dataset = RAW_SCHEMA,
    views_schema: options.ViewsSchema = VIEW_SCHEMA,
    mask_phone_numbers: options.MaskPhoneNumbers = False,
    same_account: options.SameAccount = False,
    file_mode: options.FileMode = DEFAULT_FILE_MODE,
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

    settings = Settings(
        database=database,
        scope=scope,
        page_size=page_size,
        audit_pages=audit_pages,
        max_requests=max_requests,
        max_retries=max_retries,
        timeout=timeout,
        mask_phone_numbers=mask_phone_numbers,
        wait=wait,
        destination=destination,
        dataset=dataset,
        views_schema=views_schema,
        creates_folder=is_from_schedule(context, "database"),
        file_mode=int(file_mode, 8),
    )
    summary = new_summary(scope.mode)
    # it knows webhook and ping already
    notifier: Notifier = context.obj
    with reporting(summary.run_id, quiet=quiet) as report:
        target = destination_for(settings, report)
        summary.database = target.name
        notifier.follow(summary)
        with access_to(base_url, report, demo=demo) as access:
            settings = replace(settings, base_url=access.base_url, api_key=access.key)
            if dry_run:
                plan = dry_run_of(settings, target, report)
                text, as_json = planned(plan), plan.as_json()
            else:
                run_sync(settings, target, summary, report, notifier.started)
                text, as_json = synced(summary), summary.as_json()
    print(dumps(as_json) if json else text)
    if summary.unknown_job_ids:
        raise typer.Exit(1)
