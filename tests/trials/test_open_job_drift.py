"""Open jobs of a list that shifts with each answer are read, whichever way they are read."""

import random
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from duckdb import DuckDBPyConnection

from support.raw_account import open_account
from support.syncs import EPOCH
from telnyx_jobs.api.models import Job, Page, Record
from telnyx_jobs.api.rate_limit import Usage
from telnyx_jobs.errors import ApiUnavailable
from telnyx_jobs.run.summary import Summary
from telnyx_jobs.schema import ROW_HASH
from telnyx_jobs.settings import Scope
from telnyx_jobs.source.extraction import Extraction
from telnyx_jobs.source.loaded import NOTHING_LOADED, Loaded
from telnyx_jobs.source.state import KeptState

SEEDS = 30


class ShiftingApi:
    """A client of a list in which, after each answer, jobs come, go, and end.

    `way` is how it lets open jobs be read: it refuses the filter, or has one job on a page.
    """

    key_fingerprint = "key"

    def __init__(self, seed: int, way: str) -> None:
        self.chance = random.Random(seed)
        self.way = way
        self.page_size = 1 if way == "id" else self.chance.choice([5, 10, 20])
        self.usage = Usage()
        self.is_moving = False
        self.taken: Counter[str] = Counter()
        self.states: dict[str, set[str]] = {}
        """Of each job, those since the list began to move."""
        self.listed: list[Job] = []
        self._created = 0
        self._lock = threading.Lock()
        for _ in range(self.chance.randint(60, 120)):
            self.create()

    def create(self) -> None:
        self._created += 1
        created_at = EPOCH + timedelta(minutes=7 * self._created)
        status = "pending" if self.chance.random() < 0.5 else "completed"
        self.listed.insert(0, Job(str(self._created), status=status, created_at=created_at))
        self.states[str(self._created)] = {status}

    def end(self, job: Job) -> None:
        job.status = "completed"
        self.states[job.id].add("completed")

    def page(
        self, number: int, *, job_type: str | None = None, statuses: Sequence[str] = ()
    ) -> Page:
        with self._lock:
            jobs = [job for job in self.listed if not statuses or job.status in statuses]
            if statuses and self.way == "page":
                self.taken["refused"] += 1
                raise ApiUnavailable("no filter: none")
            self.taken["filter" if statuses else "page" if self.taken["refused"] else "walk"] += 1
            last = number * self.page_size
            shown = [self._shown(job) for job in jobs[last - self.page_size : last]]
            page = Page([*shown], -(-len(jobs) // self.page_size), len(jobs))
            self._shift()
            return page

    def job(self, job_id: str) -> Record | None:
        with self._lock:
            self.taken["id"] += 1
            found = next((self._shown(job) for job in self.listed if job.id == job_id), None)
            self._shift()
            return found

    def _shown(self, job: Job) -> Record:
        return Record(Job(job.id, status=job.status, created_at=job.created_at))

    def _shift(self) -> None:
        if not self.is_moving or self.chance.random() < 0.4:
            return
        for _ in range(self.chance.choice([0, 1, 5])):
            self.create()
        for _ in range(self.chance.choice([0, 1, 2])):
            self.listed.remove(self.chance.choice(self.listed))
        for job in self.chance.sample(self.listed, 3):
            self.end(job)


def extracted(api: Any, loaded: Loaded, kept: KeptState | None) -> tuple[dict[str, str], Any]:
    """What a run loads of each job, and the state it leaves."""
    summary = Summary(run_id="run", mode="incremental", started_at=EPOCH)
    run = Extraction(api, loaded, Scope(same_account=True), summary, audit_pages=0)
    rows: dict[str, str] = {}
    for batch in run.package(kept):
        for row in batch["jobs"].to_pylist() if "jobs" in batch else ():
            # a job that has vanished keeps its row
            if row["missing_since"] is None:
                rows[row["id"]] = row["status"]
    return rows, run.state()


def keep(connection: DuckDBPyConnection, jobs: Sequence[Job]) -> Loaded:
    """The jobs as a file has them, in versions that the API has replaced since."""
    connection.execute("delete from telnyx_raw.jobs")
    columns = [[job.id for job in jobs], [job.status for job in jobs]]
    connection.execute(
        f"insert into telnyx_raw.jobs (id, status, created_at, observed_at, {ROW_HASH}) "
        "select unnest(?), unnest(?), unnest(?), ?, 'old'",
        [*columns, [job.created_at for job in jobs], EPOCH],
    )
    return Loaded(lambda sql, parameters: connection.execute(sql, parameters).fetchall())


@pytest.mark.parametrize("way", ["filter", "page", "id"])
def test_open_jobs_are_read_however_the_list_shifts(way: str) -> None:
    """Each job that was open and stays listed is loaded as it was at some moment of the run."""
    taken = 0
    with open_account() as connection:
        for seed in range(SEEDS):
            api = ShiftingApi(seed, way)
            _, kept = extracted(api, NOTHING_LOADED, None)
            loaded = keep(connection, api.listed)
            opened = {job.id for job in api.listed if job.status == "pending"}
            for job in api.chance.sample(api.listed, 20):
                job.status = "completed"
            for _ in range(api.chance.randint(0, 30)):
                api.create()
            api.states = {job.id: {str(job.status)} for job in api.listed}
            api.taken.clear()
            api.is_moving = True
            rows, _ = extracted(api, loaded, kept)
            taken += api.taken[way] > 0

            assert opened & {job.id for job in api.listed} <= rows.keys(), f"seed {seed}"
            wrong = {i: (row, api.states[i]) for i, row in rows.items() if row not in api.states[i]}
            assert wrong == {}, f"seed {seed}"

    assert taken > SEEDS / 2
