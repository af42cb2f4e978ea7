"""Own pipelines whose tables were dropped, emptied, or loaded only in part."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import dlt
import pytest

from support.answer_faults import listing
from support.faulty_api import FaultyApi
from support.own_pipelines import Into, load, pipelines_into, rows
from support.syncs import Jobs, api_of, environment, job, numbers
from telnyx_jobs import telnyx_jobs
from telnyx_jobs.demo_api import FakeApi

EVERY_JOB = [(f"job-{n:05}", "completed") for n in range(1, 8)]
OPERATIONS = ("job_operations", "job_id", "outcome", "phone_number")


def seven_jobs() -> Jobs:
    """More pages of two jobs than a sync reads of a list that it knows."""
    return Jobs([job(n, successful_operations=numbers(n)) for n in range(7, 0, -1)])


@pytest.mark.parametrize("mode", ["drop_sources", "drop_data"])
def test_a_refresh_loads_everything_again(mode: Any, into: Into) -> None:
    """dlt's `refresh` drops or empties the tables, and the same run fills them."""
    with api_of(seven_jobs()) as api:
        load(into(), api, page_size=2)
        pipeline = into()
        source = telnyx_jobs(api_key=api.key, base_url=api.url, page_size=2)
        pipeline.run(source, refresh=mode)

    assert rows(pipeline, "jobs", "id", "status") == EVERY_JOB
    assert rows(pipeline, *OPERATIONS) == [
        (f"job-{n:05}", "successful", f"+1555000000{n}") for n in range(1, 8)
    ]


def test_a_dropped_dataset_is_loaded_again(into: Into) -> None:
    """What a pipeline remembers of the lists does not keep a new dataset from being filled."""
    with api_of(seven_jobs()) as api:
        pipeline = into()
        load(pipeline, api, page_size=2)
        with pipeline.sql_client() as client:
            client.drop_dataset()
        load(pipeline, api, page_size=2)

    assert rows(pipeline, "jobs", "id", "status") == EVERY_JOB


def two_open_jobs() -> Jobs:
    jobs = Jobs(job(n, status="pending", pending_operations=numbers(n)) for n in (2, 1))
    jobs.append(job(3, successful_operations=numbers(3)))
    return jobs


def end_jobs(jobs: Jobs) -> None:
    for each, n in zip(jobs, (2, 1), strict=False):
        each.update(status="completed", pending_operations=[], successful_operations=numbers(n))
        each["updated_at"] = "2027-01-01T00:00:00.000Z"


ENDED = [(f"job-0000{n}", "successful", f"+1555000000{n}") for n in (1, 2, 3)]


def test_a_limited_run_is_made_up_for(into: Into) -> None:
    """What dlt's `add_limit` cut off is loaded by the next run, though its job looks unchanged."""
    jobs = two_open_jobs()
    with api_of(jobs) as api:
        load(into(), api)
        end_jobs(jobs)
        into().run(telnyx_jobs(api_key=api.key, base_url=api.url).add_limit(1))
        pipeline = into()
        load(pipeline, api)

    assert rows(pipeline, *OPERATIONS) == ENDED


@pytest.mark.parametrize("lagging", ["its lists", "all of it"])
def test_older_answers_do_not_make_up_for_it(lagging: str, tmp_path: Path) -> None:
    """A replica that lags behind has not the missing rows: the jobs are asked for again."""
    into = pipelines_into(dlt.destinations.duckdb(str(tmp_path / "w.duckdb")), tmp_path)
    jobs = two_open_jobs()
    before = [dict(each) for each in jobs]
    with api_of(jobs) as api:
        load(into(), api)
        end_jobs(jobs)
        into().run(telnyx_jobs(api_key=api.key, base_url=api.url).add_limit(1))
    with FaultyApi(before if lagging == "all of it" else jobs, otherwise=listing(before)) as api:
        pipeline = into()
        load(pipeline, api)
        if lagging == "its lists":
            assert rows(pipeline, *OPERATIONS) == ENDED
    with FaultyApi(jobs, otherwise=listing(before[2:])) as api:
        pipeline = into()
        load(pipeline, api)

    assert rows(pipeline, *OPERATIONS) == ENDED


def test_a_job_that_is_gone_is_not_asked_for(tmp_path: Path) -> None:
    """A pipeline of a new name reads the whole list of a dataset, and no job that had vanished."""
    into = pipelines_into(dlt.destinations.duckdb(str(tmp_path / "w.duckdb")), tmp_path)
    jobs = seven_jobs()
    with api_of(jobs) as api:
        load(into(), api)
        del jobs[0]
        load(into(), api, full=True)
        before = len(api.requests)
        renamed = into(name="renamed")
        load(renamed, api)

    assert len(api.requests) - before == 1
    assert rows(renamed, "jobs", "id", "missing_since is null") == [
        (f"job-{n:05}", n < 7) for n in range(1, 8)
    ]


def test_a_job_in_doubt_that_vanishes_is_asked_for_once(tmp_path: Path) -> None:
    """The API does not know it any more, so the next run has nothing to make up for."""
    into = pipelines_into(dlt.destinations.duckdb(str(tmp_path / "w.duckdb")), tmp_path)
    jobs = two_open_jobs()
    with api_of(jobs) as api:
        load(into(), api)
        end_jobs(jobs)
        into().run(telnyx_jobs(api_key=api.key, base_url=api.url).add_limit(1))
        del jobs[0]
        asked = []
        for _ in range(2):
            before = len(api.requests)
            load(into(), api)
            asked.append(len(api.requests) - before)

    # the newest page, and that job
    assert asked == [2, 1]


KILLED = """
import os, signal, sys, threading

import dlt
from dlt.load.load import Load
from telnyx_jobs import telnyx_jobs

destination, address, slow = sys.argv[1:]
run, merged = Load.w_run_job, threading.Event()

def jobs_first(load, job, *rest):
    name = job.file_name()
    if name.startswith(slow) and name.endswith(".sql"):
        merged.wait()
        os.kill(os.getpid(), signal.SIGKILL)
    run(load, job, *rest)
    if name.startswith("jobs.") and name.endswith(".sql"):
        merged.set()

Load.w_run_job = staticmethod(jobs_first)
pipeline = dlt.pipeline(
    "of_my_data",
    destination=getattr(dlt.destinations, destination)(address),
    dataset_name="my_data",
    pipelines_dir="killed",
)
pipeline.run(telnyx_jobs())
"""


def killed_load(database: tuple[str, str], slow: str, api: FakeApi, folder: Path) -> int:
    """Load until the jobs are merged, but not the slow table yet; returns the exit code."""
    given = {"SOURCES__TELNYX__API_KEY": api.key, "SOURCES__TELNYX__BASE_URL": api.url}
    return subprocess.run(
        [sys.executable, "-c", KILLED, *database, slow],
        cwd=folder,
        env=environment(folder, RUNTIME__DLTHUB_TELEMETRY="false") | given,
        check=False,
        timeout=60,
    ).returncode


def test_a_killed_load_is_made_up_for(
    database: tuple[str, str], into: Into, tmp_path: Path
) -> None:
    """A load killed between two tables, its working folder lost: the next run reads it again."""
    jobs = two_open_jobs()
    with api_of(jobs) as api:
        load(into(), api)
        end_jobs(jobs)
        killed = killed_load(database, "job_operations.", api, tmp_path)
        half = rows(into(), "jobs", "id", "status"), rows(into(), *OPERATIONS)
        pipeline = into()
        load(pipeline, api)

    assert killed == -signal.SIGKILL
    assert half == (
        [(f"job-0000{n}", "completed") for n in (1, 2, 3)],
        [(number, "pending" if number < "job-00003" else kept, at) for number, kept, at in ENDED],
    )
    assert rows(pipeline, *OPERATIONS) == ENDED
