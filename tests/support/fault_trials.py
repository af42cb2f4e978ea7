"""What the tests of faults share: a sync that meets one, and what must hold for it."""

from pathlib import Path
from typing import Any

from support.faulty_api import (
    Fault,
    FaultyApi,
    some_jobs,
)
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


def _before() -> list[Json]:
    """Twelve jobs, the oldest of them open."""
    jobs = some_jobs(12)
    oldest = jobs[-1]
    pending = oldest["successful_operations"]
    return [
        *jobs[:-1],
        {**oldest, "status": "pending", "successful_operations": [], "pending_operations": pending},
    ]


BEFORE = _before()
NOW = some_jobs(16)


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
