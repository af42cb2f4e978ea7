"""Runs that are killed or stopped, and runs at the same time: the next one is exact."""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.answer_faults import late, refusal
from support.fault_trials import NOW, PAGE_SIZE
from support.faulty_api import FaultyApi
from support.killed_command import DRIVER
from support.prepared_process import COMMAND, PreparedProcess
from support.syncs import access, complaint, environment, expected, held, run, sync_once, tally
from telnyx_jobs.cli.process import STOP_SECONDS
from telnyx_jobs.destinations.place import Place

IS_LONG = os.environ.get("TELNYX_JOBS_LONG") == "1"
KILLS = 200 if IS_LONG else 12
OPTIONS = ("--quiet", "--database", "jobs.duckdb", "--page-size", str(PAGE_SIZE))


@pytest.fixture
def database(twelve_jobs: Path, tmp_path: Path) -> Path:
    """A copy of the published file, for one test."""
    path = tmp_path / "jobs.duckdb"
    shutil.copy(twelve_jobs, path)
    return path


@contextmanager
def _running(
    api: FaultyApi, database: Path, *driven: str, program: str = COMMAND
) -> Iterator[PreparedProcess]:
    """A sync in its own process, killed at the end of the block if it still runs."""
    process = _started(api, database, *driven, program=program)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _started(
    api: FaultyApi, database: Path, *driven: str, program: str = COMMAND
) -> PreparedProcess:
    environ = environment(database.parent) | access(api)
    return PreparedProcess(database.parent, environ, *driven, "sync", *OPTIONS, program=program)


def _left(database: Path) -> set[str]:
    """Names in the state folder."""
    return {path.name for path in Place(database).state.iterdir()}


def _next_is_exact(database: Path) -> bool:
    """Whether the file is exact after one more sync, and no leftovers exist."""
    with FaultyApi(NOW) as api:
        sync_once(api, database, page_size=PAGE_SIZE)
    return held(database) == expected(NOW) and _left(database) == {"lock", "runs.jsonl"}


def _until(condition: Callable[[], object]) -> None:
    """Wait for a condition; fails after half a minute."""
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.005)


# killed


def test_a_kill_at_any_moment_loses_nothing(database: Path) -> None:
    """After SIGKILL at a random moment the file is the old or the new one, and the next is exact.

    Kills follow each other on one file, so that a run also meets what several have left.
    """
    before, chance = database.read_bytes(), random.Random(2026)
    with FaultyApi(NOW) as api:
        started = time.monotonic()
        assert _started(api, database).completed(60).returncode == 0
        whole_run = time.monotonic() - started
    lost = 0
    for number in range(KILLS):
        database.unlink()
        database.write_bytes(before)
        with FaultyApi(NOW) as api, _running(api, database) as process:
            # a random moment: no condition to wait for
            time.sleep(chance.uniform(0, 1.1) * whole_run)
            process.kill()
            process.wait()
        is_whole = database.read_bytes() == before or held(database) == expected(NOW)
        # each fourth one is checked; the others leave their leftovers to the next
        lost += not is_whole or (number % 4 == 3 and not _next_is_exact(database))
    lost += not _next_is_exact(database)

    tally("kills", tried=KILLS, lost=lost)
    assert lost == 0


STEPS = {
    "lock": ("telnyx_jobs.destinations.place:FileLock.acquire", 1),
    "copy": ("telnyx_jobs.destinations.duckdb_file:_copy", 1),
    "copy to the disk": ("telnyx_jobs.destinations.duckdb_file:sync_to_disk", 1),
    "tables": ("telnyx_jobs.destinations.duckdb_file:update_tables", 1),
    "first page": ("telnyx_jobs.api.client:Client.page", 1),
    "spooled page": ("telnyx_jobs.source.page_cache:PageCache.append", 2),
    "retrieve": ("telnyx_jobs.api.client:Client.job", 1),
    "dlt's extract": ("dlt.pipeline.pipeline:Pipeline.extract", 1),
    "dlt's normalize": ("dlt.pipeline.pipeline:Pipeline.normalize", 1),
    "dlt's load": ("dlt.pipeline.pipeline:Pipeline.load", 1),
    "dlt's first job": ("dlt.load.load:Load.w_run_job", 1),
    "dlt's package": ("dlt.load.load:Load.complete_package", 1),
    "views and tests": ("telnyx_jobs.destinations.duckdb_file:complete", 1),
    "the run's row": ("telnyx_jobs.destinations.duckdb_file:insert_run", 1),
    "publish": ("telnyx_jobs.destinations.duckdb_file:DuckDBFile.publish", 1),
    "close": ("telnyx_jobs.destinations.duckdb_file:DuckDBFile.close", 2),
    "build to the disk": ("telnyx_jobs.destinations.duckdb_file:sync_to_disk", 2),
    "rename": ("pathlib:Path.replace", 1),
    "folder": ("telnyx_jobs.destinations.duckdb_file:sync_to_disk", 3),
    "spool": ("telnyx_jobs.source.page_cache:PageCache.clear", 1),
    "record": ("telnyx_jobs.run.run_log:append_line", 1),
}
PUBLISHED_FROM = list(STEPS).index("rename")


@pytest.mark.parametrize("is_after", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_a_step_loses_nothing(step: str, is_after: str, database: Path) -> None:
    """Killed before or after a step, the run leaves the old file or the new one, and no other."""
    before = database.read_bytes()
    function, count = STEPS[step]
    moment = f"{function}:{is_after}:{count}"
    with FaultyApi(NOW) as api, _running(api, database, moment, program=DRIVER) as process:
        code = process.wait(60)

    place = list(STEPS).index(step)
    is_new = place > PUBLISHED_FROM or (place == PUBLISHED_FROM and is_after == "after")
    is_published = step == "publish" and is_after == "after"
    as_promised = (
        held(database) == expected(NOW)
        if is_new or is_published
        else database.read_bytes() == before
    )
    survived = code == -signal.SIGKILL and as_promised and _next_is_exact(database)
    tally("kills", lost=not survived)
    assert survived, (code, as_promised)


def test_a_killed_sweep_is_not_read_again(tmp_path: Path) -> None:
    """Pages that a killed first run has read are published by the next one, which asks for few."""
    database = tmp_path / "jobs.duckdb"
    with FaultyApi(NOW, {6: late(60)}) as api, _running(api, database) as process:
        _until(lambda: len(api.requests) == 7)
        process.kill()
        process.wait()
    with FaultyApi(NOW) as api:
        done = run(tmp_path, "sync", *OPTIONS, environ=access(api))
        asked = len(api.requests)

    is_exact = done.returncode == 0 and held(database) == expected(NOW)
    tally("kills", lost=not is_exact)
    assert is_exact
    assert asked < 8


# stopped

SIGNALS = pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"]
)
STOPPED_DRIVER = """
import sys, threading, time
from telnyx_jobs.cli import commands as cli
from {module} import {owner}

def busy(*_, **__):
    # a moment later, since a signal that comes before the work begins is another matter
    threading.Timer(0.3, lambda: print("busy", file=sys.stderr, flush=True)).start()
    {work}

{owner}.{name} = busy
cli.main()
"""
QUERY = "select count(*) from range(10_000_000_000) t(i) where hash(i) % 7 = 3"
BUSY = {
    "a query of ours": (
        "telnyx_jobs.destinations",
        "duckdb_file",
        "complete",
        f'_[0].execute("{QUERY}")',
    ),
    "dlt's load": (
        "telnyx_jobs.destinations.exact_duckdb",
        "_CopyJob",
        "run",
        "time.sleep(60)",
    ),
}


@SIGNALS
def test_a_signal_while_a_retry_waits(sent: signal.Signals, code: int, database: Path) -> None:
    """A run that waits for the API ends within five seconds and changes nothing."""
    before = database.read_bytes()
    faults = {1: refusal(429, {"Retry-After": "60"})}
    with FaultyApi(NOW, faults) as api, _running(api, database) as process:
        _until(lambda: len(api.requests) == 2)
        # the answer is on its way: at the moment of the signal it waits, or is about to
        seconds, stderr = _stopped(process, sent)

    _count_stop(process, code, seconds, stderr, database.read_bytes() == before, database)


@SIGNALS
@pytest.mark.parametrize("work", BUSY)
def test_a_signal_in_the_middle_of_work(
    work: str, sent: signal.Signals, code: int, database: Path
) -> None:
    """A run that is busy in DuckDB or dlt ends within five seconds and changes nothing."""
    before = database.read_bytes()
    module, owner, name, body = BUSY[work]
    source = STOPPED_DRIVER.format(module=module, owner=owner, name=name, work=body)
    with FaultyApi(NOW) as api, _running(api, database, program=source) as process:
        assert process.stderr.readline() == "busy\n"
        seconds, stderr = _stopped(process, sent)

    _count_stop(process, code, seconds, stderr, database.read_bytes() == before, database)


@SIGNALS
def test_a_signal_that_duckdb_sees_first(sent: signal.Signals, code: int, tmp_path: Path) -> None:
    """A signal that DuckDB turns into a failed query is reported and recorded as a signal."""
    # DuckDB looks for signals when a query begins or ends, so there are many of them
    work = f'while True: _[0].connection.execute("{QUERY}".replace("000_000_000", "000_000"))'
    source = STOPPED_DRIVER.format(
        module="telnyx_jobs.destinations.duckdb_file", owner="DuckDBFile", name="query", work=work
    )
    database = tmp_path / "jobs.duckdb"
    with FaultyApi(NOW) as api, _running(api, database, program=source) as process:
        assert process.stderr.readline() == "busy\n"
        seconds, stderr = _stopped(process, sent)

    # a run that does not close in time is ended without its line
    if seconds < STOP_SECONDS:
        assert json.loads(Place(database).runs.read_text())["exit_code"] == code
    _count_stop(process, code, seconds, stderr, not database.exists(), database)


def test_signals_at_any_moment(database: Path) -> None:
    """SIGTERM at random moments of a run ends it with 75, or comes after the file is published."""
    before, chance = database.read_bytes(), random.Random(7)
    lost = 0
    trials = 60 if IS_LONG else 8
    for _ in range(trials):
        with FaultyApi(NOW) as api, _running(api, database) as process:
            _until(lambda api=api: api.requests)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.7))
            seconds, _ = _stopped(process, signal.SIGTERM)
        is_right = (
            database.read_bytes() == before
            if process.returncode == 75 and held(database) != expected(NOW)
            else held(database) == expected(NOW)
        )
        lost += not (process.returncode in (0, 75) and seconds < 5 and is_right)
        database.unlink()
        database.write_bytes(before)
    lost += not _next_is_exact(database)

    tally("signals", tried=trials, lost=lost)
    assert lost == 0


def _stopped(process: PreparedProcess, sent: signal.Signals) -> tuple[float, str]:
    """Send the signal; gives the seconds until the process ended, and its stderr."""
    started = time.monotonic()
    process.send_signal(sent)
    _, stderr = process.communicate(timeout=20)
    return time.monotonic() - started, stderr


def _count_stop(
    process: PreparedProcess,
    code: int,
    seconds: float,
    stderr: str,
    kept: bool,
    database: Path,
) -> None:
    lines = [line for line in stderr.splitlines() if line != "busy"]
    line = json.loads(lines[-1])
    is_clean = line["event"] == "failed" and line["exit_code"] == code == process.returncode
    held_true = (is_clean, len(lines) == 1, seconds < 5, kept)
    is_right = all(held_true) and _next_is_exact(database)
    tally("signals", lost=not is_right)
    assert is_right, (held_true, seconds, process.returncode, stderr)


# at the same time


@pytest.mark.parametrize("count", [2, 5])
def test_of_several_syncs_one_works(count: int, database: Path) -> None:
    """Of syncs of one file at the same time one runs, and the others end with 75."""
    with FaultyApi(NOW, {0: late(60)}) as api, _running(api, database) as working:
        # its first answer does not come until the others have ended
        _until(lambda: len(api.requests) == 1)
        others = [_started(api, database).completed(60) for _ in range(count - 1)]
        assert len(api.requests) == 1
        working.kill()
    codes = [other.returncode for other in others]
    is_right = codes == [75] * (count - 1) and _next_is_exact(database)
    tally("kills", tried=0)
    assert is_right
    assert all("another sync" in complaint(other) for other in others)


WAITING = f"import sys; sys.argv += ['--wait', '60']; {COMMAND}"


@pytest.mark.parametrize("count", [2, 5])
def test_syncs_that_may_wait_all_work(count: int, database: Path) -> None:
    """With `--wait` syncs at the same time run one after the other, and all publish."""
    with FaultyApi(NOW) as api:
        processes = [_started(api, database, program=WAITING) for _ in range(count)]
        codes = [process.completed(90).returncode for process in processes]

    assert codes == [0] * count
    assert held(database) == expected(NOW)
    lines = Place(database).runs.read_text().splitlines()
    assert [json.loads(line)["exit_code"] for line in lines] == [0] * count


def test_a_wait_has_an_end(database: Path) -> None:
    """A sync that waited in vain for TELNYX_JOBS_WAIT seconds ends with 75."""
    with FaultyApi(NOW, {0: late(60)}) as api, _running(api, database):
        _until(lambda: len(api.requests) == 1)
        started = time.monotonic()
        environ = access(api) | {"TELNYX_JOBS_WAIT": "1.5"}
        done = run(database.parent, "sync", *OPTIONS, environ=environ)
        waited = time.monotonic() - started

    assert done.returncode == 75
    assert "--wait" in complaint(done)
    assert waited > 1.5
