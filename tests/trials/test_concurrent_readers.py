"""Readers and writers of the published file while syncs replace it: neither side is disturbed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.faulty_api import FaultyApi
from support.syncs import (
    EPOCH,
    Jobs,
    access,
    api_of,
    bound_by_permissions,
    environment,
    error,
    expected,
    failure,
    held,
    job,
    numbers,
    rows,
    run,
    sync_once,
    tally,
)
from telnyx_jobs.checks.status import read_status
from telnyx_jobs.destinations import duckdb_file as warehouse
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.destinations.duckdb_file import wal_of
from telnyx_jobs.destinations.place import Place
from telnyx_jobs.errors import TryAgainLater
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.dry_run import plan
from telnyx_jobs.run.forget import forget
from telnyx_jobs.run.prune import prune
from telnyx_jobs.settings import Settings

PUBLISHES = 200 if os.environ.get("TELNYX_JOBS_LONG") == "1" else 12

HALVES = """
    select count(*) from (
        select id from telnyx_raw.jobs j
        where phone_numbers_count is distinct from (
            select count(*) from telnyx_raw.job_phone_numbers c where c.job_id = j.id
        ) or failed_operations_count is distinct from (
            select count(*) from telnyx_raw.job_operations c
            where c.job_id = j.id and c.outcome = 'failed'
        ) or successful_operations_count is distinct from (
            select count(*) from telnyx_raw.job_operations c
            where c.job_id = j.id and c.outcome = 'successful'
        )
        union all
        select 'generation' where (
            select count(distinct json_extract_string(parameters, '$.generation'))
            from telnyx_raw.jobs
        ) <> 1
    )
"""
"""How many jobs disagree with their children, and whether jobs of two generations exist."""
OPEN = "duckdb.connect('jobs.duckdb', read_only=True)"
READERS = {
    "opens again for each query": f"""
        with {OPEN} as file:
            halves, generation = look(file)
    """,
    "holds it open for several queries": f"""
        if reads % 5 == 0:
            file = {OPEN}
            held = None
        halves, generation = look(file)
        halves += held is not None and held != generation
        held = generation
        if reads % 5 == 4:
            file.close()
    """,
    "attaches it": """
        with duckdb.connect() as file:
            file.execute("attach 'jobs.duckdb' as jobs (read_only)")
            file.execute("use jobs.telnyx_raw")
            halves, generation = look(file)
    """,
    "tries to write into it": f"""
        try:
            duckdb.connect('jobs.duckdb').execute("create table mine (i int)")
            failures += 1
        except duckdb.IOException as refused:
            failures += "ermission denied" not in str(refused)
        with {OPEN} as file:
            halves, generation = look(file)
    """,
}
READER = """
import sys, duckdb, json, os, time

def look(file):
    file.execute("begin")
    halves = file.execute(sys.argv[1]).fetchall()[0][0]
    generation = file.execute(
        "select max(json_extract_string(parameters, '$.generation')::int) from telnyx_raw.jobs"
    ).fetchall()[0][0]
    file.execute("commit")
    return halves, generation

reads = torn = failures = newest = 0
generations = set()
reasons = []
print("ready", flush=True)
while not os.path.exists("stop"):
    try:
{body}
    except Exception as error:
        failures += 1
        reasons.append(str(error)[:200])
        continue
    finally:
        reads += 1
    torn += bool(halves) + (generation < newest)
    newest = generation
    generations.add(generation)
    time.sleep(0.1)
print(json.dumps([reads, torn, failures, len(generations), reasons[:3]]))
"""
WRITER = """
import sys, duckdb
file = duckdb.connect("jobs.duckdb")
file.execute("create table mine as select 1 as i")
print("written", flush=True)
sys.stdin.readline()
file.close()
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "jobs.duckdb"


def _generation(number: int) -> Jobs:
    """Six jobs that all carry the generation, with arrays whose lengths follow from it."""
    return Jobs(
        job(
            place,
            parameters={"generation": number},
            phone_numbers=numbers(*range(1 + (number + place) % 5)),
            successful_operations=numbers(*range((number * place) % 4)),
            failed_operations=[failure(n, error("1", "/a")) for n in range(number % 3)],
        )
        for place in range(6)
    )


@contextmanager
def _reader(folder: Path, body: str) -> Iterator[subprocess.Popen[str]]:
    indented = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    process = subprocess.Popen(
        [sys.executable, "-c", READER.replace("{body}", indented), HALVES],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=bound_by_permissions,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _writer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that opened the published file for writing, and wrote into it."""
    (folder / "jobs.duckdb").chmod(0o644)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_readers_and_publishes_do_not_notice_each_other(database: Path) -> None:
    """While the file is replaced no sync fails, no reader fails, and none sees half a sync."""
    jobs = _generation(0)
    folder = database.parent
    with api_of(jobs) as api:
        sync_once(api, database)
        with ExitStack() as stack:
            readers = [stack.enter_context(_reader(folder, body)) for body in READERS.values()]
            for reader in readers:
                assert reader.stdout is not None
                assert reader.stdout.readline() == "ready\n"
            for number in range(1, PUBLISHES + 1):
                jobs[:] = _generation(number)
                sync_once(api, database)
            (folder / "stop").touch()
            told_by = [json.loads(reader.communicate(timeout=60)[0]) for reader in readers]

    reads, torn, failures, seen, _ = map(list, zip(*told_by, strict=True))
    lost = sum(torn) + sum(failures)
    tally("publishes under readers", tried=PUBLISHES)
    tally("reads during publishes", tried=sum(reads), lost=lost)
    assert lost == 0, told_by
    assert min(seen) > 2
    assert held(database) == expected(_generation(PUBLISHES))
    assert not wal_of(database).exists()


def test_a_reader_keeps_what_it_has_open(database: Path) -> None:
    """A file that was open before a publish shows the rows of that time until it is closed."""
    with api_of(_generation(1)) as api:
        sync_once(api, database)
    opened = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            f"import sys, duckdb; file = {OPEN}; print('open', flush=True); sys.stdin.readline(); "
            "print(file.execute('select parameters from telnyx_raw.jobs').fetchall())",
        ],
        cwd=database.parent,
        env=environment(database.parent),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert opened.stdout is not None
    assert opened.stdout.readline() == "open\n"
    with api_of(_generation(2)) as api:
        sync_once(api, database)
    said, _ = opened.communicate("\n", timeout=30)

    assert said.count('"generation":1') == 6
    assert held(database) == expected(_generation(2))


def test_a_wal_that_somebody_left_is_moved_away(database: Path) -> None:
    """A WAL of a killed writer beside the file is reported, kept, and blocks nobody."""
    with api_of(_generation(1)) as api:
        sync_once(api, database)
    with _writer(database.parent) as writer:
        writer.kill()
        writer.wait()
    assert wal_of(database).exists()
    with api_of(_generation(2)) as api:
        done = run(database.parent, "sync", "--database", database.name, environ=access(api))

    kept = Place(database).foreign_wal
    is_right = done.returncode == 0 and held(database) == expected(_generation(2))
    tally("writers into the file", lost=not is_right)
    assert is_right
    warning = next(json.loads(line) for line in done.stderr.splitlines() if "warning" in line)
    assert str(kept) in warning["message"]
    assert kept.stat().st_size > 0
    assert not wal_of(database).exists()
    assert rows(database, "select 1 from duckdb_tables() where table_name = 'mine'") == []


def test_a_wal_of_an_older_masked_file_is_moved_away_too(database: Path) -> None:
    """A WAL that no longer fits the file does not hide the file's own mask from a sync."""

    def masked(generation: int) -> int:
        options = ("sync", "--mask-phone-numbers", "--database", database.name)
        with api_of(_generation(generation)) as api:
            return run(database.parent, *options, environ=access(api)).returncode

    assert masked(1) == 0
    with _writer(database.parent) as writer:
        writer.kill()
        writer.wait()
    older = wal_of(database).read_bytes()
    assert masked(2) == 0
    wal_of(database).write_bytes(older)

    assert masked(3) == 0
    tally("writers into the file")


def test_a_file_that_somebody_writes_into_is_not_copied(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the file is open for writing a sync ends with 75, and works after that."""
    monkeypatch.setattr(warehouse, "WRITER_SECONDS", 0.2)
    with api_of(_generation(1)) as api:
        sync_once(api, database)
    with _writer(database.parent) as writer, api_of(_generation(2)) as api:
        with pytest.raises(TryAgainLater, match="open for writing"):
            sync_once(api, database)
        is_kept = wal_of(database).exists() and api.requests == []
        writer.communicate("\n")
        sync_once(api, database)

    is_right = is_kept and held(database) == expected(_generation(2))
    tally("writers into the file", lost=not is_right)
    assert is_right


@pytest.mark.parametrize("command", ["status", "dry run", "forget", "prune"])
def test_a_command_says_that_somebody_writes_into_the_file(
    command: str, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other commands end with 75 then, too, and work after that; the file is not called damaged."""
    monkeypatch.setattr(warehouse, "WRITER_SECONDS", 0.2)
    with api_of(_generation(1)) as api:
        sync_once(api, database)
        settings = Settings(database, api.url, api.key)
        target = destination_for(settings)
        acts: dict[str, Callable[[], object]] = {
            "status": lambda: read_status(target),
            "dry run": lambda: plan(settings, target, nothing),
            "forget": lambda: forget(settings, target, ["+15550004711"], []),
            "prune": lambda: prune(settings, target, EPOCH),
        }
        with _writer(database.parent) as writer:
            with pytest.raises(TryAgainLater, match="open for writing"):
                acts[command]()
            writer.communicate("\n")
        acts[command]()


def test_a_short_write_does_not_fail_a_sync(database: Path) -> None:
    """A writer that closes the file within seconds makes a sync wait, not fail."""
    with api_of(_generation(1)) as api:
        sync_once(api, database)
    with _writer(database.parent) as writer, FaultyApi(_generation(2)) as faulty:
        syncing = subprocess.Popen(
            [sys.executable, "-m", "telnyx_jobs", "sync", "--database", database.name],
            cwd=database.parent,
            env=environment(database.parent) | access(faulty),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert syncing.stderr is not None
        assert json.loads(syncing.stderr.readline())["event"] == "copy"
        time.sleep(0.2)
        writer.communicate("\n")
        _, stderr = syncing.communicate(timeout=60)

    is_right = syncing.returncode == 0 and held(database) == expected(_generation(2))
    tally("writers into the file", lost=not is_right)
    assert is_right, stderr
