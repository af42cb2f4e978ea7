"""Accounts that a report is made of: a small one, and one whose texts are hostile."""

from datetime import datetime, timedelta
from pathlib import Path

from support.syncs import (
    EPOCH,
    Json,
    api_of,
    error,
    failure,
    job,
    numbers,
    sync_once,
    text,
)
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.report.figures import Report, read_report
from telnyx_jobs.settings import Settings

HOSTILE = "<script>window.injected=1</script><img src=x onerror=window.injected=1>\x1b[31m\u202e"


def report_on(database: Path, now: datetime) -> Report:
    return read_report(destination_for(Settings(database)), now)


def small_account() -> list[Json]:
    """Two finished jobs with failures of two kinds, and one that is overdue."""
    late = text(EPOCH + timedelta(days=1))
    return [
        job(3, status="pending", pending_operations=numbers(9), etc=late),
        job(2, successful_operations=numbers(2), failed_operations=[failure(4)]),
        job(
            1,
            phone_numbers=numbers(1, 2, 3, 5),
            successful_operations=numbers(1, 2),
            failed_operations=[
                failure(2, error("10015", "/phone_numbers/0/tags")),
                failure(3, error("10015", "/phone_numbers/1/tags")),
            ],
        ),
    ]


def hostile_account() -> list[Json]:
    """Many kinds of failure whose every text is long, or markup, or drives a terminal."""
    errors = [
        {
            "code": f"{HOSTILE}{n}",
            "title": f"{HOSTILE}{'wide' * 200}",
            "source": {"pointer": f"/{HOSTILE}/{'x' * 300}{n}"},
        }
        for n in range(30)
    ]
    failed = [failure(n, one) for n, one in enumerate(errors)]
    types = [job(n, type=f"{HOSTILE}{n}", failed_operations=failed[: n + 1]) for n in range(30)]
    return [*types, job(40, status=HOSTILE * 5, etc=None, pending_operations=numbers(1))]


def published(folder: Path, jobs: list[Json]) -> Path:
    """The file that a sync of these jobs publishes."""
    database = folder / "telnyx_jobs.duckdb"
    with api_of(jobs) as api:
        sync_once(api, database)
    return database
