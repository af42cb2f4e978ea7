"""Wrong lists, and wrong clocks: the file is exact, or as it was."""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from support.answer_faults import empty_page, refusal, whole, wrong_type
from support.fault_trials import (
    BEFORE,
    BY_ID,
    BY_RANK,
    FILTERED,
    LAST_OPEN,
    NOW,
    PAGE_SIZE,
    WAYS,
    code_of,
    count_trial,
    failure_of,
    lasting,
    way_of,
)
from support.faulty_api import Exchange, Fault, FaultyApi
from support.syncs import (
    Json,
    expected,
    held,
    rows,
)
from telnyx_jobs.settings import Scope
from telnyx_jobs.source import clock as clock_module

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def database(twelve_jobs: Path, tmp_path: Path) -> Path:
    """A copy of the published file, for one test."""
    path = tmp_path / "jobs.duckdb"
    shutil.copy(twelve_jobs, path)
    return path


# faults of the list's content


def test_an_empty_page(database: Path) -> None:
    """A page that lacks the jobs it announces is requested again, wherever it occurs."""
    # each request behind an empty page comes one later
    faults = dict.fromkeys((2, WAYS[FILTERED] + 1, WAYS[BY_RANK] + 2), empty_page)
    with FaultyApi(NOW, faults) as api:
        error = failure_of(api, database)
        ways = [way_of(request) for request in api.requests[6:]]

    count_trial(
        "faults",
        error is None,
        ways == [FILTERED, FILTERED, BY_RANK, BY_RANK, BY_ID],
        held(database) == expected(NOW),
    )


@pytest.mark.parametrize("first", [2, WAYS[BY_RANK]])
def test_pages_that_stay_empty(first: int, database: Path) -> None:
    """Pages that always lack their jobs do not end the list: nothing is published."""
    before = database.read_bytes()
    with FaultyApi(NOW, lasting(empty_page, first)) as api:
        error = failure_of(api, database)

    count_trial("faults", code_of(error) == 65, database.read_bytes() == before)


def test_a_page_that_repeats(database: Path) -> None:
    """A page that repeats the one before it, as a stale cache does, is requested again."""
    with FaultyApi(NOW) as good:
        first_page = _listed(good, 1)
    with FaultyApi(NOW, {2: whole(200, first_page), 5: whole(200, first_page)}) as api:
        error = failure_of(api, database)

    count_trial("faults", error is None, held(database) == expected(NOW))


def test_another_page_than_was_asked_for(database: Path) -> None:
    """If the filtered list and the page by rank show the first page, open jobs are asked by id."""
    with FaultyApi(NOW) as good:
        first_page = whole(200, _listed(good, 1))
    faults = {WAYS[FILTERED]: first_page, WAYS[BY_RANK]: first_page}
    with FaultyApi(NOW, faults) as api:
        error = failure_of(api, database)
        ways = [way_of(request) for request in api.requests[5:7]]
        by_id = {request.target[-36:] for request in api.requests[7:] if not request.query}

    count_trial(
        "faults",
        error is None,
        ways == [FILTERED, BY_RANK],
        by_id == {NOW[-1 - number]["id"] for number in LAST_OPEN},
        held(database) == expected(NOW),
    )


def test_pages_that_go_on_repeating(database: Path) -> None:
    """A list whose pages all show the same jobs is an API that fails: nothing is published."""
    with FaultyApi(BEFORE) as good:
        first_page = _listed(good, 1)
    with FaultyApi(BEFORE, otherwise=whole(200, first_page)) as api:
        before = database.read_bytes()
        error = failure_of(api, database, scope=Scope(full=True))

    count_trial("faults", code_of(error) == 69, database.read_bytes() == before)


@pytest.mark.parametrize("full", [True, False])
def test_meta_that_is_stuck(full: bool, database: Path) -> None:
    """Pages that all carry the first one's `meta` are read to the end."""
    meta = {"total_pages": 8, "total_results": 16, "page_number": 1, "page_size": PAGE_SIZE}
    with FaultyApi(NOW, otherwise=_with_meta(lambda _: meta)) as api:
        error = failure_of(api, database, scope=Scope(full=full))

    count_trial("faults", error is None, held(database) == expected(NOW))


@pytest.mark.parametrize("full", [True, False])
def test_total_pages_that_shrink(full: bool, database: Path) -> None:
    """A `total_pages` that falls during the walk does not end the list early."""
    shrinking = _with_meta(lambda meta: {**meta, "total_pages": 8 // meta["page_number"]})
    with FaultyApi(NOW, otherwise=shrinking) as api:
        error = failure_of(api, database, scope=Scope(full=full))

    count_trial("faults", error is None, held(database) == expected(NOW))


def test_the_right_content_of_a_wrong_type(database: Path) -> None:
    """JSON that is declared a web page is read as JSON."""
    with FaultyApi(NOW, otherwise=wrong_type) as api:
        error = failure_of(api, database)

    count_trial("faults", error is None, held(database) == expected(NOW))


def test_an_open_job_that_is_gone(database: Path) -> None:
    """A 404 on a job that was open keeps its rows and records since when it is missing."""
    with FaultyApi(NOW[:-1]) as api:
        error = failure_of(api, database)

    missing = rows(database, "select id from telnyx_raw.jobs where missing_since is not null")
    count_trial(
        "faults",
        error is None,
        missing == [(NOW[-1]["id"],)],
        held(database) == expected([*NOW[:-1], BEFORE[-1]]),
    )


def _listed(api: FaultyApi, number: int) -> bytes:
    import httpx

    query = {"page[number]": str(number), "page[size]": str(PAGE_SIZE)}
    return httpx.get(f"{api.url}/phone_numbers/jobs", params=query).content


def _with_meta(change: Callable[[Json], Json]) -> Fault:
    """The good reply with another `meta` on list pages."""
    import json

    def fault(exchange: Exchange) -> None:
        body = json.loads(exchange.good.body)
        if "meta" in body:
            body["meta"] = change(body["meta"])
        exchange.reply(replace(exchange.good, body=json.dumps(body).encode()))

    return fault


# faults of the clock


def test_a_clock_that_steps_back(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the clock set back by a day the rows are exact, and observations keep their order."""

    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(days=1)

    ((latest,),) = rows(database, "select max(observed_at) from telnyx_raw.job_observations")
    clock = time.time
    monkeypatch.setattr(clock_module, "datetime", Yesterday)
    monkeypatch.setattr(time, "time", lambda: clock() - 86_400)
    with FaultyApi(NOW, {0: refusal(429, {"x-ratelimit-reset": "0"})}) as api:
        error = failure_of(api, database)

    ((observed,),) = rows(
        database,
        f"select min(observed_at) from telnyx_raw.jobs where id in ('{NOW[0]['id']}', "
        f"'{NOW[-1]['id']}')",
    )
    count_trial("faults", error is None, held(database) == expected(NOW), observed > latest)
