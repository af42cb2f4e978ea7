"""`--dry-run` with `--max-requests`: what such a sync would do, on an API that stands still."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from support.fault_trials import NOW, PAGE_SIZE, REQUESTS, code_of, failure_of
from support.faulty_api import FaultyApi
from support.syncs import access, run
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.dry_run import plan
from telnyx_jobs.settings import Scope, Settings

LISTED, KNOWN = NOW[0]["id"], NOW[8]["id"]


@pytest.mark.parametrize(
    ("scope", "budgets"),
    [
        (Scope(), (1, 6, 7, REQUESTS + 1)),
        (Scope(full=True), (5,)),
        (Scope(job_ids=(LISTED, "gone", KNOWN)), (2,)),
        (Scope(job_ids=(LISTED, "gone")), (3,)),
    ],
    ids=["incremental", "full", "jobs", "jobs that are not loaded"],
)
def test_a_dry_run_counts_what_the_budget_allows(
    scope: Scope, budgets: tuple[int, ...], twelve_jobs: Path, tmp_path: Path
) -> None:
    """The sync after it sends these pages and retrieves, and ends with 75 where it says so."""
    for budget in budgets:
        database = tmp_path / f"{budget}.duckdb"
        shutil.copy(twelve_jobs, database)
        assert_exact(database, scope, budget)


def test_a_dry_run_of_a_first_sync_counts_what_the_budget_allows(tmp_path: Path) -> None:
    """Before a first sync, which reads eight pages, the same holds."""
    assert_exact(tmp_path / "jobs.duckdb", Scope(), 3)


def assert_exact(database: Path, scope: Scope, budget: int) -> None:
    options: dict[str, Any] = {"scope": scope, "max_requests": budget, "audit_pages": 1}
    with FaultyApi(NOW) as api:
        settings = Settings(database, api.url, api.key, page_size=PAGE_SIZE, **options)
        planned = plan(settings, destination_for(settings), nothing)
        before = len(api.requests)
        error = failure_of(api, database, **options)
        pages = [bool(request.query) for request in api.requests[before:]]

    assert (planned.list_pages, planned.retrieves) == (pages.count(True), pages.count(False))
    assert planned.requests <= budget
    assert code_of(error) == (75 if planned.ends_early else 0)


def test_a_dry_run_says_that_the_budget_ends_the_sync(twelve_jobs: Path, tmp_path: Path) -> None:
    """For a person it names the option and the exit code that the sync would have."""
    shutil.copy(twelve_jobs, tmp_path / "telnyx_jobs.duckdb")
    options = ("--dry-run", "--max-requests", "2", "--page-size", "2", "--quiet")
    with FaultyApi(NOW) as api:
        done = run(tmp_path, "sync", *options, environ=access(api))

    assert done.stdout == (
        "A sync would request 1 list page and 1 job one by one: 2 requests, all that "
        "--max-requests allows, and end with 75; run again to continue. Nothing was written.\n"
    )
