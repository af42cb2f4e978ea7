"""Open jobs far back in the list, finished jobs that change, and lists that show too little."""

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from support.answer_faults import listing, refusal
from support.faulty_api import Exchange, Fault, FaultyApi, good
from support.syncs import (
    Jobs,
    Json,
    Published,
    api_of,
    expected,
    held,
    job,
    numbers,
    rows,
    sync_once,
)

LISTED = 600
PAGE_SIZE = 25


def account(open_places: Sequence[int], listed: int = LISTED) -> Jobs:
    """Finished jobs, newest first, but for those at these places, which are open."""
    jobs = Jobs(job(listed - place) for place in range(listed))
    for place in open_places:
        jobs[place].update(status="pending", pending_operations=numbers(place))
        jobs[place].update(phone_numbers=numbers(place))
    return jobs


def finish(jobs: Sequence[Json]) -> None:
    """Every open job ends."""
    for each in jobs:
        if each["status"] == "pending":
            done = each["pending_operations"]
            each.update(status="completed", successful_operations=done, pending_operations=[])


FOUR_PAGES = [page * 25 + place for page in (5, 9, 14, 20) for place in range(5, 20)]
NEWEST = [*range(0, 100, 2), *range(1, 9, 2)]


@pytest.mark.parametrize(
    ("places", "most", "ended"),
    [
        *[(FOUR_PAGES, 30, ended) for ended in (False, True)],
        *[(NEWEST, 5, ended) for ended in (False, True)],
        *[([400], 2, ended) for ended in (False, True)],
        ([], 1, False),
    ],
    ids=[
        *["60 on 4 pages", "60 on 4 pages, ended"],
        *["54 among the newest 100", "54 among the newest 100, ended"],
        *["one", "one, ended"],
        "none",
    ],
)
def test_open_jobs_cost_pages_not_requests_each(
    places: list[int], most: int, ended: bool, tmp_path: Path, publish: Published
) -> None:
    """A sync reads open jobs by the page, whether they have ended or not, and loads each."""
    jobs = account(places)
    with api_of(jobs) as api:
        publish(api, jobs, tmp_path / "jobs.duckdb")
        if ended:
            finish(jobs)
        before = len(api.requests)
        sync_once(api, tmp_path / "jobs.duckdb", page_size=PAGE_SIZE)
        asked = len(api.requests) - before

    assert held(tmp_path / "jobs.duckdb") == expected(jobs)
    assert asked <= most + ended


def _filter_of(target: str) -> list[str]:
    return parse_qs(urlsplit(target).query).get("filter[status][]", [])


def only_filtered(fault: Fault) -> Fault:
    """The fault for requests with a status filter; any other one gets the right answer."""

    def answer(exchange: Exchange) -> None:
        (fault if _filter_of(exchange.request.target) else good)(exchange)

    return answer


def test_a_refused_filter_is_not_tried_again_for_a_day(tmp_path: Path, publish: Published) -> None:
    """An API that refuses the filter costs one request a day, and every row is exact."""
    jobs = account(range(100, 102), listed=150)
    fault = only_filtered(refusal(422))
    with FaultyApi(jobs, otherwise=fault) as api:
        tries = []
        for number in range(3):
            before = len(api.requests)
            if number:
                sync_once(api, tmp_path / "jobs.duckdb", page_size=PAGE_SIZE)
            else:
                publish(api, jobs, tmp_path / "jobs.duckdb")
            tries.append(sum(bool(_filter_of(r.target)) for r in api.requests[before:]))
        finish(jobs)
        sync_once(api, tmp_path / "jobs.duckdb", page_size=PAGE_SIZE)

    assert held(tmp_path / "jobs.duckdb") == expected(jobs)
    assert tries == [0, 1, 0]


def test_a_finished_job_that_changes_is_found_by_the_audit(tmp_path: Path) -> None:
    """Each sync reads a page of the history again, so a change at any place is found in turn."""
    jobs = account([], listed=75)
    with api_of(jobs) as api:
        sync_once(api, tmp_path / "jobs.duckdb", page_size=PAGE_SIZE)
        jobs[60].update(status="failed", failed_operations=[{**numbers(1)[0], "errors": []}])
        costs = []
        for _ in range(3):
            before = len(api.requests)
            sync_once(api, tmp_path / "jobs.duckdb", page_size=PAGE_SIZE, audit_pages=1)
            costs.append(len(api.requests) - before)

    assert costs == [2, 2, 2]
    assert held(tmp_path / "jobs.duckdb") == expected(jobs)


def shortened(jobs: Sequence[Json]) -> list[Json]:
    return [each | {"successful_operations": each["successful_operations"][:2]} for each in jobs]


def emptied(jobs: Sequence[Json]) -> list[Json]:
    return [each | {"successful_operations": []} for each in jobs]


@pytest.mark.parametrize("shown", [shortened, emptied])
def test_a_list_that_shows_less_is_not_believed(
    shown: Callable[[Sequence[Json]], list[Json]], tmp_path: Path
) -> None:
    """Where list pages cut a job's operations, each job is loaded as its own address shows it."""
    jobs = [
        job(n, phone_numbers=numbers(*range(5)), successful_operations=numbers(*range(5)))
        for n in range(4, 0, -1)
    ]
    with FaultyApi(jobs, otherwise=listing(shown(jobs))) as api:
        sync_once(api, tmp_path / "jobs.duckdb")
        sync_once(api, tmp_path / "jobs.duckdb")

    assert held(tmp_path / "jobs.duckdb") == expected(jobs)


def test_the_audit_goes_on_behind_what_came_on_top(tmp_path: Path) -> None:
    """A page of new jobs moves the history down by a page, and none of it is read twice."""
    jobs = account([], 6 * PAGE_SIZE)
    database = tmp_path / "jobs.duckdb"
    with api_of(jobs) as api:
        for _ in range(2):
            sync_once(api, database, page_size=PAGE_SIZE, audit_pages=1)
        jobs[:0] = [job(1_000 + n) for n in range(PAGE_SIZE)]
        before = len(api.requests)
        sync_once(api, database, page_size=PAGE_SIZE, audit_pages=1)
        asked = [parse_qs(urlsplit(target).query) for _, target in api.requests[before:]]

    # without a page: a job that shows whose key it is. Page 2 was read last, and is page 3 now.
    assert [each.get("page[number]") for each in asked] == [["1"], None, ["2"], ["4"]]


def test_an_older_answer_never_replaces_a_newer_one(tmp_path: Path) -> None:
    """A replica that lags behind moves no job back; what it says is counted, not loaded."""
    jobs = [job(1, status="completed", updated_at="2026-01-02T00:00:00.000Z")]
    with api_of(jobs) as api:
        sync_once(api, tmp_path / "jobs.duckdb")
    with api_of([jobs[0] | {"status": "pending", "updated_at": "2026-01-01T00:00:00.000Z"}]) as api:
        summary = sync_once(api, tmp_path / "jobs.duckdb")

    assert summary.stale_answers == 1
    assert rows(tmp_path / "jobs.duckdb", "select status from telnyx.jobs") == [("completed",)]
