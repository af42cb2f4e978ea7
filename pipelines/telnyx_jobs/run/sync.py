"""One sync: the published data and the API's answers become new data, published whole.

1. Take the lock. 2. Open the destination. 3. Load what changed. 4. Views and data tests.
5. Publish. A failure before 5 leaves the published data unchanged. A long backfill repeats 2 to 5,
so an interrupted one continues from there.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Filter
from telnyx_jobs.api.rate_limit import Usage
from telnyx_jobs.destinations.base import Destination
from telnyx_jobs.progress import Report
from telnyx_jobs.run.keys import forgotten_of, mask_to_use
from telnyx_jobs.run.new_failures import Rise, begun, new_failures, rising
from telnyx_jobs.run.run_log import recorded
from telnyx_jobs.run.summary import Summary
from telnyx_jobs.schema import RAW_SCHEMA, SYNC_RUNS
from telnyx_jobs.settings import Settings
from telnyx_jobs.source.extraction import Extraction
from telnyx_jobs.source.page_cache import PageCache


def sync(
    settings: Settings,
    destination: Destination,
    summary: Summary,
    report: Report,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Bring the destination up to date, counting into `summary`.

    `started` is called once the lock is held. Raises TelnyxJobsError.
    """
    place = destination.place
    with recorded(destination, summary, report), place.locked(settings.wait):
        started()
        try:
            destination.open()
            summary.is_first = not destination.query(
                f"select 1 from {RAW_SCHEMA}.{SYNC_RUNS.name} limit 1"
            )
            rising_before = rising(destination)
            masks = settings.mask_phone_numbers
            mask = mask_to_use(place, destination.query) if masks else None
            loaded = destination.loaded()
            forgotten = forgotten_of(place, loaded.removals)
            with open_client(settings, report, forgotten, mask) as client:
                extraction = Extraction(
                    client,
                    loaded,
                    settings.scope,
                    summary,
                    cache=PageCache(place.pages),
                    mask=mask.fingerprint if mask else None,
                    audit_pages=settings.audit_pages,
                    report=report,
                )
                _publish_all(extraction, destination, summary, client.usage, rising_before, report)
        finally:
            destination.discard()


def _publish_all(
    extraction: Extraction,
    destination: Destination,
    summary: Summary,
    usage: Usage,
    rising_before: list[Rise] | None,
    report: Report,
) -> None:
    """Load and publish one package of the extraction after the other.

    Raises RequestBudgetSpent after publishing what was read until then.
    """
    from telnyx_jobs.source.resource import package_of

    while True:
        destination.load(package_of(extraction))
        report("test")
        destination.finish()
        _complete(summary, destination, usage)
        if summary.jobs_changed:
            summary.rises = begun(rising_before, rising(destination))
        report("publish", database=summary.database)
        destination.publish(summary.as_row())
        summary.published = True
        extraction.forget_pages()
        if extraction.is_done:
            break
        destination.open()
    if extraction.stopped_by:
        raise extraction.stopped_by


def _complete(summary: Summary, destination: Destination, usage: Usage) -> None:
    """The figures that are known once the data is loaded."""
    summary.requests = usage.requests
    summary.retries = usage.retries
    summary.throttled_seconds = round(usage.throttled_seconds, 3)
    ((summary.open_jobs, summary.missing_jobs, summary.rejected_records),) = destination.query(
        "select (select count(*) from telnyx.open_jobs), "
        f"(select count(*) from {RAW_SCHEMA}.jobs where missing_since is not null), "
        f"(select count(*) from {RAW_SCHEMA}.rejected_records)"
    )
    summary.new_failures = new_failures(destination.query, summary.run_id, summary.started_at)
    summary.finished_at = datetime.now(UTC)


def open_client(settings: Settings, report: Report, *filters: Filter | None) -> Client:
    """A client for the API of these settings; each filter that is given changes its records."""
    return Client(
        settings.base_url,
        settings.api_key,
        page_size=settings.page_size,
        timeout=settings.timeout,
        max_retries=settings.max_retries,
        max_requests=settings.max_requests,
        report=report,
        filters=[each for each in filters if each],
    )
