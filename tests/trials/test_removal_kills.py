"""`forget` and `prune`, killed: done or not done, and done means that nothing is left anywhere."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.killed_command import DRIVER
from support.removals import ID, NUMBER, jobs_with_the_number, traces_of
from support.syncs import EPOCH, api_of, command, environment, rows, sync_once, tally
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.destinations.place import Place
from telnyx_jobs.run.forget import forget
from telnyx_jobs.run.prune import prune
from telnyx_jobs.settings import Settings

TRACES = ("5550004711", ID)
KILLS = 10
FILE = "telnyx_jobs.destinations.duckdb_file"
STEPS = {
    "lock": ("telnyx_jobs.destinations.place:FileLock.acquire", 1),
    "copy": (f"{FILE}:_copy", 1),
    "key": ("telnyx_jobs.run.keys:write_whole", 1),
    "jobs": ("telnyx_jobs.run.forget:update", 2),
    "cached pages": ("shutil:rmtree", 2),
    "log": ("telnyx_jobs.run.forget:write_whole", 1),
    "exports": ("telnyx_jobs.run.forget:write_whole", 2),
    "views and tests": (f"{FILE}:complete", 1),
    "new file": (f"{FILE}:copy_database", 1),
    "old copy": ("pathlib:Path.unlink", 2),
    "close": (f"{FILE}:DuckDBFile.close", 3),
    "rename": (f"{FILE}:DuckDBFile._replace", 1),
}


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a published file, and everything beside it that can hold a number."""
    folder = tmp_path_factory.mktemp("synced") / "synced"
    folder.mkdir()
    database = folder / "jobs.duckdb"
    with api_of(jobs_with_the_number(20)) as api:
        sync_once(api, database)
    place = Place(database)
    for leftover in (place.pages, place.leftovers / "killed"):
        leftover.mkdir(parents=True)
        (leftover / "000000.json").write_text(f"of job 7: {NUMBER}")
    place.foreign_wal.write_text(NUMBER)
    with place.runs.open("a") as log:
        log.write(json.dumps({"error": f"the API refuses {NUMBER}"}) + "\n")
    export = {"to": f"s3://bucket/{NUMBER}", "format": "delta", "exported_at": f"{EPOCH:%FT%TZ}"}
    place.exports.write_text(json.dumps([export]))
    assert len(traces_of(database, *TRACES)) > 8
    return folder


@pytest.fixture
def database(synced: Path, tmp_path: Path) -> Path:
    return shutil.copytree(synced, tmp_path / "copy") / "jobs.duckdb"


def _forget(database: Path) -> None:
    settings = Settings(database)
    forget(settings, destination_for(settings), [NUMBER], [])


def _is_done_or_not(database: Path, before: bytes) -> bool:
    """Whether the file is as before, or nothing of the number is left; then forgets it again."""
    is_done = database.read_bytes() != before
    is_right = not is_done or traces_of(database, *TRACES) == []
    _forget(database)
    return is_right and traces_of(database, *TRACES) == [] and _counts(database) == (21, 40, 40)


def _counts(database: Path) -> tuple[int, ...]:
    tables = ("jobs", "job_phone_numbers", "job_operations")
    counts = (f"(select count(*) from telnyx_raw.{table})" for table in tables)
    (found,) = rows(database, f"select {', '.join(counts)}")
    return (found[0] + 1, *found[1:])


@pytest.mark.parametrize("is_after", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_a_step_of_forget(step: str, is_after: str, database: Path) -> None:
    """Killed at a step, the number is forgotten everywhere, or the file is as before."""
    before = database.read_bytes()
    function, count = STEPS[step]
    arguments = ("forget", "--quiet", "--database", database.name, "--phone-number", NUMBER)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, f"{function}:{is_after}:{count}", *arguments],
        cwd=database.parent,
        env=environment(database.parent),
        capture_output=True,
        check=False,
        timeout=120,
    )

    is_right = done.returncode == -signal.SIGKILL and _is_done_or_not(database, before)
    tally("kills of forget and prune", lost=not is_right)
    assert is_right, (done.returncode, done.stderr)


def test_a_kill_at_any_moment_of_forget(database: Path, synced: Path) -> None:
    """Killed at random moments, the number is forgotten everywhere, or the file is as before."""
    before, chance = database.read_bytes(), random.Random(2026)
    arguments = ("forget", "--quiet", "--database", database.name, "--phone-number", NUMBER)
    program = command(*arguments)
    started = time.monotonic()
    subprocess.run(program, cwd=database.parent, env=environment(database.parent), check=True)
    whole_run = time.monotonic() - started
    lost = 0
    for _ in range(KILLS):
        shutil.rmtree(database.parent)
        shutil.copytree(synced, database.parent)
        process = subprocess.Popen(program, cwd=database.parent, env=environment(database.parent))
        # a random moment: no condition to wait for
        time.sleep(chance.uniform(0.3, 1.1) * whole_run)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        lost += not _is_done_or_not(database, before)

    tally("kills of forget and prune", tried=KILLS, lost=lost)
    assert lost == 0


@pytest.mark.parametrize("is_after", ["before", "after"])
@pytest.mark.parametrize("step", ["copy", "new file", "rename"])
def test_a_kill_at_a_step_of_prune(step: str, is_after: str, database: Path) -> None:
    """Killed before or after a step, the old jobs are gone everywhere, or the file is as before."""
    before = database.read_bytes()
    function, count = STEPS[step]
    arguments = (
        "prune",
        "--quiet",
        "--database",
        database.name,
        "--before",
        "2026-01-01T10:00:00Z",
    )
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, f"{function}:{is_after}:{count}", *arguments],
        cwd=database.parent,
        env=environment(database.parent),
        capture_output=True,
        check=False,
        timeout=120,
    )
    is_done = database.read_bytes() != before
    is_right = not is_done or traces_of(database, "of job 7") == []
    settings = Settings(database)
    prune(settings, destination_for(settings), datetime(2026, 1, 1, 10, tzinfo=UTC))
    is_right = is_right and traces_of(database, "of job 7") == []
    is_right = is_right and rows(database, "select count(*) from telnyx_raw.jobs") == [(10,)]

    tally("kills of forget and prune", lost=not is_right)
    assert done.returncode == -signal.SIGKILL
    assert is_right
