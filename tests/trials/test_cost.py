"""What a sync costs: the pages and retrieves of what changed, not of the whole history."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from support.answer_faults import refusal
from support.faulty_api import Exchange, Fault, FaultyApi, good
from support.prepared_process import PreparedProcess
from support.syncs import (
    EPOCH,
    Jobs,
    Json,
    access,
    api_of,
    environment,
    job,
    numbers,
    rows,
    sync_once,
    text,
)
from telnyx_jobs.api.models import Job, Page, Record, Rejected
from telnyx_jobs.api.rate_limit import Usage
from telnyx_jobs.demo_api import FakeApi, serve
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.summary import Summary
from telnyx_jobs.schema import LOADED
from telnyx_jobs.settings import Scope
from telnyx_jobs.source.extraction import Extraction
from telnyx_jobs.source.lists import SWEEPS
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.page_cache import PageCache
from telnyx_jobs.source.walk import Coverage, Walk, stretch_of

OPEN = {"status": "in_progress", "pending_operations": numbers(1)}


def account(apart: timedelta, places: Sequence[int], finished: int = 1_000) -> list[Json]:
    """Finished jobs, newest first, with an open one at each of these places."""
    count = finished + len(places)
    opened = set(places)
    jobs = []
    for place in range(count):
        created_at = text(EPOCH - apart * place)
        content = OPEN if place in opened else {}
        jobs.append(job(place, created_at=created_at, updated_at=created_at, **content))
    return jobs


NEWEST, OLDEST, SPREAD = range(20), range(1_000, 1_020), range(0, 1_020, 51)


@pytest.mark.parametrize(
    ("apart", "places", "more"),
    [
        (timedelta(hours=3), NEWEST, 0),
        (timedelta(seconds=1), OLDEST, 1),
        (timedelta(0), SPREAD, 1),
    ],
    ids=["open newest, hours apart", "open oldest, seconds apart", "open spread, all at once"],
)
def test_a_sync_costs_one_page_and_the_open_jobs_it_does_not_show(
    apart: timedelta, places: Sequence[int], more: int, tmp_path: Path
) -> None:
    """On 1,000 finished jobs a sync reads page 1, and the open jobs not on it in one request."""
    jobs = account(apart, places)
    database = tmp_path / "jobs.duckdb"
    with api_of(jobs) as api:
        first = sync_once(api, database)
        before = len(api.requests)
        second = sync_once(api, database)
        asked = [target for _, target in api.requests[before:]]

    assert first.pages == 5
    assert asked[0] == "/v2/phone_numbers/jobs?page[number]=1&page[size]=250"
    assert ["filter[status][]" in target for target in asked[1:]] == [True] * more
    assert (second.requests, second.jobs_changed) == (1 + more, 0)


def refusing_filter(exchange: Exchange) -> None:
    (refusal(422) if "filter[status]" in unquote(exchange.request.target) else good)(exchange)


@pytest.mark.parametrize(
    ("way", "page_sizes", "answer"),
    [("filter", [3, 10], good), ("page", [3, 10, 20], refusing_filter), ("id", [1], good)],
)
def test_no_job_is_stale_after_many_steps(
    way: str, page_sizes: Sequence[int], answer: Fault, tmp_path: Path
) -> None:
    """After 200 random steps, with syncs that read open jobs each way, every job is exact."""
    chance = random.Random(7)
    jobs = Jobs()
    newest = EPOCH
    database = tmp_path / "jobs.duckdb"
    # the server shows the list in place
    with FaultyApi(jobs, otherwise=answer) as api:
        for step in range(1, 201):
            opened = [each for each in jobs if each["status"] == "in_progress"]
            if opened and chance.random() < 0.5:
                settled = numbers(step)
                chance.choice(opened).update(
                    {"updated_at": text(newest), "successful_operations": settled}
                    | chance.choice([{}, {"status": "completed", "pending_operations": []}])
                )
            else:
                newest += timedelta(minutes=chance.choice([0, 1, 200]))
                late = timedelta(minutes=chance.choice([0, 0, 60]))
                created_at = text(newest - late)
                jobs.append(job(step, created_at=created_at, updated_at=created_at) | OPEN)
            jobs[:] = jobs.newest_first()
            if step % 20 == 0:
                sync_once(api, database, page_size=chance.choice(page_sizes))

    targets = [unquote(request.target) for request in api.requests]
    assert any("filter[status]" in each for each in targets) == (way != "id")
    # of one by one there are few, unless every page has one job
    assert (sum("?" not in each for each in targets) > 100) == (way == "id")
    stored = rows(
        database,
        "select id, status, strftime(updated_at, '%Y-%m-%dT%H:%M:%S.%gZ'), "
        "(select count(*) from telnyx_raw.job_operations where job_id = id) "
        "from telnyx_raw.jobs order by id",
    )
    assert stored == sorted(
        (
            *(each["id"], each["status"], each["updated_at"]),
            len(each["pending_operations"]) + len(each["successful_operations"]),
        )
        for each in jobs
    )


def test_an_empty_answer_does_not_end_the_run(tmp_path: Path) -> None:
    """Neither a list without jobs nor many missing jobs stop the run from requesting the rest."""
    jobs = Jobs(job(number, status="pending") for number in range(40))
    jobs.append(job(50, type="delete_phone_numbers", status="pending"))
    database = tmp_path / "jobs.duckdb"
    types = ("update_emergency_settings", "update_phone_numbers", "delete_phone_numbers")
    with api_of(jobs) as api:
        sync_once(api, database, job_types=types)
        del jobs[:40]
        sync_once(api, database, job_types=types)

    assert rows(database, "select id from telnyx_raw.jobs where missing_since is null") == [
        ("job-00050",)
    ]
    assert rows(database, "select count(*) from telnyx_raw.jobs") == [(41,)]


class Drift:
    """A list of creation times that shifts between two reads: new jobs on top, others gone."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.page_size = self.chance.randint(1, 9)
        self.step = self.chance.choice([timedelta(milliseconds=1), timedelta(minutes=7)])
        self.seen: set[datetime] = set()
        self.newest = EPOCH
        self.listed: list[datetime] = []
        self.create(self.chance.randint(0, 60))

    def create(self, count: int) -> None:
        for _ in range(count):
            self.newest += self.step
            self.listed.insert(0, self.newest)

    def drop(self, count: int) -> None:
        for _ in range(min(count, len(self.listed))):
            del self.listed[self.chance.randrange(len(self.listed))]

    def create_late(self, count: int) -> None:
        """Jobs that appear below newer ones, at most an hour older than the newest."""
        for _ in range(count):
            late = timedelta(
                seconds=self.chance.randint(0, 3_599), microseconds=1 + len(self.listed)
            )
            self.listed.append(self.newest - late)
        self.listed.sort(reverse=True)

    def walk(
        self,
        coverage: Coverage,
        *,
        skip_swept: bool,
        shift: Callable[[], None] = lambda: None,
        stop_after: int = 1_000_000,
    ) -> None:
        """A walk over some pages of the list, which shifts after each of them."""
        before = set(self.seen)
        walk = Walk(coverage, skip_swept=skip_swept, page_size=self.page_size)
        while walk.next_page is not None and stop_after:
            stop_after -= 1
            last = walk.next_page * self.page_size
            page = self.listed[last - self.page_size : last]
            self.seen.update(page)
            walk.advance(
                stretch_of(page),
                [time in before for time in page],
                total=len(self.listed),
                is_last=last >= len(self.listed),
            )
            shift()

    def shift(self) -> None:
        if self.chance.random() < 0.4:
            self.create(self.chance.choice([0, 1, 5]))
            self.drop(self.chance.choice([0, 1, 2]))


@pytest.mark.parametrize("skip_swept", [False, True], ids=["every page", "new pages"])
def test_jobs_that_come_and_go_while_pages_are_read_hide_none(skip_swept: bool) -> None:
    """One walk over a list that shifts reads each job that is listed throughout."""
    for seed in range(500):
        drift = Drift(seed)
        coverage = Coverage()
        drift.walk(coverage, skip_swept=skip_swept)
        drift.create(drift.chance.randint(0, 40))
        if not skip_swept:
            drift.seen.clear()
        there = set(drift.listed)
        drift.walk(coverage, skip_swept=skip_swept, shift=drift.shift)

        assert there & set(drift.listed) <= drift.seen, f"seed {seed}"


def test_late_jobs_are_read_whatever_came_before_and_after_them() -> None:
    """Walks, some of them interrupted, read each job that appears at most an hour late."""
    for seed in range(500):
        drift = Drift(seed)
        coverage = Coverage()
        for _ in range(4):
            drift.walk(coverage, skip_swept=True, stop_after=drift.chance.choice([1, 2, 5, 999]))
            drift.create_late(drift.chance.randint(0, 3))
            drift.create(drift.chance.randint(0, 12))
            drift.create_late(drift.chance.randint(0, 3))
        drift.walk(coverage, skip_swept=True)

        assert set(drift.listed) <= drift.seen, f"seed {seed}"


class DriftingApi:
    """A client of such a list, which shifts after each answer; the total may be an old one."""

    def __init__(self, drift: Drift, total: int | None) -> None:
        self.page_size = drift.page_size
        self.key_fingerprint = "key"
        self.usage = Usage()
        self._drift = drift
        self._total = total
        self.pages = 0

    def page(
        self, number: int, *, job_type: str | None = None, statuses: Sequence[str] = ()
    ) -> Page:
        listed = self._drift.listed
        total = len(listed) if self._total is None else self._total
        last = number * self.page_size
        times = listed[last - self.page_size : last]
        records: list[Record | Rejected] = [Record(Job(str(t), created_at=t)) for t in times]
        pages = -(-len(listed) // self.page_size)
        self.pages += 1
        if self.pages < 200:
            self._drift.shift()
        return Page(records, pages, total)

    def job(self, job_id: str) -> None:
        """No job is known: none is requested."""


def _of_nothing(sql: str, parameters: Sequence[object]) -> list[tuple[object, ...]]:
    """What an empty file answers: aggregates have a row too."""
    return [(None,)] if "max(" in sql else []


def test_a_full_run_misses_no_job_that_is_there_all_the_while(tmp_path: Path) -> None:
    """A full run over a list that shifts loads each job that is listed throughout."""
    for seed in range(500):
        drift = Drift(seed)
        there = set(drift.listed)
        api: Any = DriftingApi(drift, None)
        scope = Scope(full=True)
        summary = Summary(run_id="run", mode="full", started_at=EPOCH)
        run = Extraction(
            api, Loaded(_of_nothing), scope, summary, cache=PageCache(tmp_path), report=nothing
        )
        loaded: set[str] = set()
        while not run.is_done:
            for batch in run.package(None):
                loaded.update(batch["jobs"]["id"].to_pylist() if "jobs" in batch else ())

        assert {str(time) for time in there & set(drift.listed)} <= loaded, f"seed {seed}"


def test_a_full_run_reads_again_what_an_old_total_hides(tmp_path: Path) -> None:
    """If fewer jobs are seen than the API announced at first, the list is read again."""
    drift = Drift(0)
    drift.page_size = 5
    drift.listed = [EPOCH - timedelta(hours=n) for n in range(20)]
    api: Any = DriftingApi(drift, 20)
    drops = [drift.listed[0]]

    def drop_one() -> None:
        if drops:
            drift.listed.remove(drops.pop())

    drift.shift = drop_one  # type: ignore[method-assign]
    scope = Scope(full=True)
    summary = Summary(run_id="run", mode="full", started_at=EPOCH)
    run = Extraction(
        api, Loaded(_of_nothing), scope, summary, cache=PageCache(tmp_path), report=nothing
    )
    loaded = [
        job_id
        for batch in run.package(None)
        for job_id in (batch["jobs"]["id"].to_pylist() if "jobs" in batch else ())
    ]

    assert sorted(loaded) == sorted(str(EPOCH - timedelta(hours=n)) for n in range(20))
    assert summary.pages == 4 * SWEEPS


class Backfill:
    """A sync in its own process, against a list that can delay it at any page."""

    def __init__(self, folder: Path, jobs: Sequence[Json]) -> None:
        self.folder = folder
        self.database = folder / "telnyx_jobs.duckdb"
        self.pages = 0
        self._jobs = jobs
        self._hold_at: int | None = None
        self._is_at_place = threading.Event()
        self._go_on = threading.Event()

    def listed(self) -> Sequence[Json]:
        self.pages += 1
        if self.pages == self._hold_at:
            self._is_at_place.set()
            self._go_on.wait(60)
        return self._jobs

    def run(self, api: FakeApi) -> int:
        return self._process(api).completed(120).returncode

    def kill(self, api: FakeApi, after_pages: int, later: float) -> None:
        """Kill a run when it requests a page, a number of pages on, or some seconds later."""
        self._is_at_place.clear()
        self._go_on.clear()
        self._hold_at = self.pages + after_pages + 1
        process = self._process(api)
        assert self._is_at_place.wait(60)
        if later:
            self._go_on.set()
            time.sleep(later)
        process.kill()
        process.communicate(60)
        self._go_on.set()

    def _process(self, api: FakeApi) -> PreparedProcess:
        environ = environment(self.folder) | access(api)
        return PreparedProcess(self.folder, environ, "sync", "--quiet")


def without_times(database: Path) -> list[list[tuple[object, ...]]]:
    """Every loaded row, without the times at which syncs saw it."""
    return [
        rows(
            database,
            "select columns(lambda c: c <> 'observed_at') "
            f"from telnyx_raw.{table.name} order by all",
        )
        for table in LOADED
    ]


@pytest.mark.parametrize("longest", [0.0, 0.06], ids=["between pages", "at any moment"])
def test_a_backfill_killed_five_times_costs_little_more_than_one_that_was_not(
    longest: float, tmp_path: Path
) -> None:
    """Killed five times, 10,000 jobs cost at most 1.2 times their pages, with the same rows."""
    chance = random.Random(5)
    jobs = account(timedelta(minutes=10), [], finished=10_000)
    backfill = Backfill(tmp_path, jobs)
    with serve(backfill.listed) as api:
        for _ in range(5):
            backfill.kill(api, chance.randint(1, 5), chance.uniform(0, longest))
        assert backfill.run(api) == 0
    with api_of(jobs) as api:
        sync_once(api, tmp_path / "at once.duckdb")

    assert without_times(backfill.database) == without_times(tmp_path / "at once.duckdb")
    assert backfill.pages <= 1.2 * 40
