"""What the tests of faults share: a sync that meets one, and what must hold for it."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from support.faulty_api import Fault, FaultyApi, Request, some_jobs
from support.filter_faults import STATUS_FILTER
from support.syncs import (
    Json,
    tally,
)
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.errors import TelnyxJobsError
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.summary import new_summary
from telnyx_jobs.run.sync import sync
from telnyx_jobs.settings import Scope, Settings

PAGE_SIZE = 2


LAST_OPEN = 7, 5, 3, 2, 0
"""Jobs by their number that were open at the sync before, two of them on one page."""
STILL_OPEN = 7, 5


def _pending(job: Json) -> Json:
    """The job before any of its operations has ended."""
    pending = [_plain(each) for each in job["successful_operations"] + job["failed_operations"]]
    return _open(job, "pending", [], pending)


def _half_done(job: Json) -> Json:
    """The job after its first operation has succeeded."""
    pending = [_plain(each) for each in job["failed_operations"]]
    return _open(job, "in_progress", job["successful_operations"], pending)


def _open(job: Json, status: str, successful: list[Json], pending: list[Json]) -> Json:
    arrays = {"successful_operations": successful, "pending_operations": pending}
    return {**job, "status": status, **arrays, "failed_operations": []}


def _plain(operation: Json) -> Json:
    return {name: value for name, value in operation.items() if name != "errors"}


def _changed(count: int, change: Callable[[Json], Json], numbers: Collection[int]) -> list[Json]:
    jobs = some_jobs(count)
    return [change(job) if count - 1 - n in numbers else job for n, job in enumerate(jobs)]


BEFORE = _changed(12, _pending, LAST_OPEN)
"""Twelve jobs, five of them open."""
NOW = _changed(16, _half_done, STILL_OPEN)
"""Four more, and two of the five still open: the filtered list shows these, a page by its rank two
of the others, and the last one is asked for by its id."""

FILTERED = "the filtered list"
BY_RANK = "a page by rank"
BY_ID = "a job by id"
WAYS = {FILTERED: 5, BY_RANK: 6, BY_ID: 7}
"""Which request of a sync reads open jobs in each way."""
POSITIONS = {"the first page": 0, "a page mid-run": 2, **WAYS}
"""Which requests meet a fault."""
REQUESTS = 8
"""Of a sync without faults: these, two pages more, and a loaded job since page 1 shows none."""


def way_of(request: Request) -> str | None:
    """How a request reads open jobs; None if it does not."""
    if STATUS_FILTER in request.query:
        return FILTERED
    if request.query.get("page[number]") == "7":
        return BY_RANK
    return BY_ID if request.target.endswith(f"/{NOW[-1]['id']}") else None


def failure_of(api: FaultyApi, database: Path, **options: Any) -> TelnyxJobsError | None:
    """What a sync fails with; None when it publishes."""
    settings = Settings(
        **{
            "database": database,
            "base_url": api.url,
            "api_key": api.key,
            "scope": Scope(),
            "page_size": PAGE_SIZE,
            "audit_pages": 0,
            "max_retries": 1,
            "timeout": 10.0,
            **options,
        }
    )
    try:
        sync(settings, destination_for(settings), new_summary(settings.scope.mode), nothing)
    except TelnyxJobsError as error:
        return error
    return None


def lasting(fault: Fault, first: int) -> dict[int, Fault]:
    return dict.fromkeys(range(first, 100), fault)


def is_for_the_user(message: str) -> bool:
    """Whether a message is one line that says what failed and then what to do."""
    what_failed, _, what_to_do = message.rpartition(": ")
    return bool(what_failed and what_to_do and message.isprintable()) and "KEY_of" not in message


def count_trial(kind: str, *held_true: bool) -> None:
    """Count one trial, and fail the test if a promise did not hold."""
    tally(kind, lost=not all(held_true))
    assert all(held_true), held_true


def code_of(error: TelnyxJobsError | None) -> int:
    return error.exit_code if error else 0
