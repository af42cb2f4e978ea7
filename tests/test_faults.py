"""What goes wrong on the way: after any fault the file is exact, or as it was byte for byte.

Each fault is met on the first, a middle and the last request of a sync that has new jobs, a known
one that changed, and a published file to keep.
"""

import os
import random
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import format_datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from faulty_api import (
    Exchange,
    Fault,
    FaultyApi,
    cut_by_length,
    cut_chunk,
    cut_gzip,
    cut_without_length,
    drip,
    empty_body,
    empty_page,
    empty_reply,
    false_gzip,
    html,
    late,
    nobody_left,
    not_http,
    redirect,
    refusal,
    reset,
    reset_at_once,
    some_jobs,
    stall_after_head,
    whole,
    without_meta,
    wrong_type,
)
from support import (
    Json,
    access,
    bound_by_permissions,
    command,
    complaint,
    environment,
    held,
    rows,
    run,
    tally,
    told,
)
from telnyx_jobs import client as client_module
from telnyx_jobs import extraction as extraction_module
from telnyx_jobs.errors import BadConfiguration, TelnyxJobsError
from telnyx_jobs.progress import nothing
from telnyx_jobs.settings import Scope, Settings
from telnyx_jobs.sync import new_summary, sync

PAGE_SIZE = 2
POSITIONS = {"first": 0, "mid-run": 2, "last": 4}
"""Which of the five requests meets the fault: four pages and the job that was open."""
SLOW = 0.4
"""Seconds that a request may take where the fault is to take longer."""


class Case(NamedTuple):
    fault: Fault
    exit_code: int
    timeout: float = 10.0
    is_final: bool = False
    """Whether asking again is of no use, so that nothing is asked again."""


def _throttled(headers: Mapping[str, str | None]) -> Case:
    return Case(refusal(429, headers, code="10011", title="Too many requests"), 75)


def _nobody_by_name(exchange: Exchange) -> None:
    """The end of the connection; `unknown_names` sees to the rest."""
    NAMES_LOST.append(exchange.request.at)


NAMES_LOST: list[float] = []
FAULTS: Mapping[str, Case] = {
    "429, retry after seconds": _throttled({"Retry-After": "0"}),
    "429, retry after a date": _throttled({"Retry-After": format_datetime(datetime.now(UTC))}),
    "429, reset in seconds": _throttled({"x-ratelimit-reset": "0"}),
    "429, reset as a time": _throttled({"x-ratelimit-reset": str(int(time.time()))}),
    "429, headers of no sense": _throttled({"Retry-After": "soon", "x-ratelimit-reset": "-"}),
    "429, no header": _throttled({}),
    "500": Case(refusal(500), 69),
    "502": Case(whole(502, b"<h1>Bad gateway</h1>", {"Content-Type": "text/html"}), 69),
    "503": Case(refusal(503, {"Retry-After": "0"}), 69),
    "504": Case(refusal(504), 69),
    "404 of a gateway": Case(whole(404, b"<h1>Not found</h1>"), 69),
    "connection refused": Case(nobody_left, 69),
    "name not found": Case(_nobody_by_name, 69),
    "connection reset": Case(reset, 69),
    "connection reset at once": Case(reset_at_once, 69),
    "connection ended": Case(empty_reply, 69),
    "body cut by its length": Case(cut_by_length, 69),
    "body cut in a chunk": Case(cut_chunk, 69),
    "body cut without length": Case(cut_without_length, 65),
    "body cut to valid JSON": Case(without_meta, 65),
    "body empty": Case(empty_body, 65),
    "HTML with 200": Case(html, 65),
    "no HTTP": Case(not_http, 69),
    "gzip that is none": Case(false_gzip, 69),
    "gzip cut": Case(cut_gzip, 65),
    "slow start": Case(late(60), 69, SLOW),
    "silence after the head": Case(stall_after_head(60), 69, SLOW),
    "slow drip": Case(drip(SLOW / 20), 69, SLOW),
    "redirect elsewhere": Case(redirect(302, "http://127.0.0.1:9/v2"), 69, is_final=True),
    "401": Case(refusal(401, code="10009", title="Authentication failed"), 77, is_final=True),
    "403": Case(refusal(403, code="10010", title="Authorization failed"), 77, is_final=True),
    "422": Case(refusal(422, code="10015", title="Invalid filter"), 69, is_final=True),
}
PASSING = [
    name for name, case in FAULTS.items() if not case.is_final and name != "connection refused"
]
IN_PROCESSES = {
    "429, no header": "first",
    "500": "last",
    "connection refused": "mid-run",
    "connection reset": "first",
    "body cut to valid JSON": "mid-run",
    "HTML with 200": "first",
    "gzip that is none": "last",
    "slow drip": "mid-run",
    "redirect elsewhere": "first",
    "401": "mid-run",
    "403": "last",
}
"""A cross-section of the matrix, for real processes with their real waits."""


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


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that an earlier sync has published."""
    path = tmp_path_factory.mktemp("published") / "jobs.duckdb"
    with FaultyApi(BEFORE) as api:
        assert _failure(api, path) is None
    return path


@pytest.fixture
def database(published: Path, tmp_path: Path) -> Path:
    """A copy of the published file, for one test."""
    path = tmp_path / "jobs.duckdb"
    shutil.copy(published, path)
    return path


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own waits last a millisecond, those that the API asks for as long as it says."""
    monkeypatch.setattr(client_module, "_FIRST_BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(client_module, "_LONGEST_BACKOFF_SECONDS", 0.001)


@pytest.fixture(autouse=True)
def unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request that met `_nobody_by_name` makes one look-up of a name fail."""
    NAMES_LOST.clear()
    look_up = socket.getaddrinfo

    def failing(*arguments: Any, **options: Any) -> Any:
        if NAMES_LOST:
            NAMES_LOST.pop()
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", failing)


def _failure(api: FaultyApi, database: Path, **options: Any) -> TelnyxJobsError | None:
    """What a sync fails with; None when it publishes."""
    settings = Settings(
        **{
            "database": database,
            "base_url": api.url,
            "api_key": api.key,
            "scope": Scope(),
            "page_size": PAGE_SIZE,
            "max_retries": 1,
            "timeout": 10.0,
            **options,
        }
    )
    try:
        sync(settings, new_summary(settings.scope.mode, database), nothing)
    except TelnyxJobsError as error:
        return error
    return None


def _lasting(fault: Fault, first: int) -> dict[int, Fault]:
    return dict.fromkeys(range(first, 100), fault)


def _is_for_the_user(message: str) -> bool:
    """Whether a message is one line that says what failed and then what to do."""
    what_failed, _, what_to_do = message.rpartition(": ")
    return bool(what_failed and what_to_do and message.isprintable()) and "KEY_of" not in message


def _count(kind: str, *held_true: bool) -> None:
    """Count one trial, and fail the test where a promise did not hold."""
    tally(kind, lost=not all(held_true))
    assert all(held_true), held_true


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("name", FAULTS)
def test_a_lasting_fault_fails_with_its_code_and_keeps_the_file(
    name: str, position: str, database: Path
) -> None:
    """A fault that does not end gives its exit code and a line to act on, and changes no byte."""
    case = FAULTS[name]
    before = database.read_bytes()
    with FaultyApi(NOW, _lasting(case.fault, POSITIONS[position])) as api:
        error = _failure(api, database, timeout=case.timeout)

    left = {path.name for path in (database.parent / ".jobs.duckdb.state").iterdir()}
    _count(
        "faults",
        error is not None and error.exit_code == case.exit_code,
        _is_for_the_user(str(error)),
        database.read_bytes() == before,
        left <= {"lock", "runs.jsonl", "spool"},
    )


@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_is_survived(name: str, database: Path) -> None:
    """A fault that is over when asked again, on three requests of one sync, costs no row."""
    case = FAULTS[name]
    # each one but the first is a request later for each fault that was asked again
    faults = {first + n: case.fault for n, first in enumerate(POSITIONS.values())}
    with FaultyApi(NOW, faults) as api:
        error = _failure(api, database, timeout=max(case.timeout, 2 * SLOW), max_retries=2)
        asked = len(api.requests)

    _count("faults", error is None, asked == 5 + 3, held(database) == told(NOW))


@pytest.mark.parametrize("name", [name for name in FAULTS if name.startswith("429")])
def test_eight_refusals_in_a_row_are_survived(name: str, database: Path) -> None:
    """By default eight 429 in a row, on each of three requests, cost no row."""
    faults = {
        first + 8 * n + i: FAULTS[name].fault
        for n, first in enumerate(POSITIONS.values())
        for i in range(8)
    }
    retries = Settings(database, "", "", Scope()).max_retries
    with FaultyApi(NOW, faults) as api:
        error = _failure(api, database, max_retries=retries)
        asked = len(api.requests)

    _count("faults", error is None, asked == 5 + 24, held(database) == told(NOW))


@pytest.mark.parametrize("name", IN_PROCESSES)
def test_a_fault_in_a_process_of_its_own(name: str, database: Path) -> None:
    """The command ends with the fault's exit code and one line, and the next one is exact."""
    case = FAULTS[name]
    before = database.read_bytes()
    options = ("--database", database.name, "--page-size", str(PAGE_SIZE), "--max-retries", "1")
    faults = _lasting(case.fault, POSITIONS[IN_PROCESSES[name]])
    with FaultyApi(NOW, faults) as api:
        timeout = ("--timeout", str(2 * SLOW if case.timeout == SLOW else 10))
        failed = run(database.parent, "sync", "--quiet", *options, *timeout, environ=access(api))
    kept = database.read_bytes() == before
    with FaultyApi(NOW) as api:
        done = run(database.parent, "sync", "--quiet", *options, environ=access(api))

    _count(
        "faults",
        failed.returncode == case.exit_code,
        len(failed.stderr.splitlines()) == 1,
        _is_for_the_user(complaint(failed)),
        kept,
        done.returncode == 0,
        held(database) == told(NOW),
    )


# faults of the list's content


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "always"])
def test_an_empty_page(lasts: bool, database: Path) -> None:
    """A page that lacks the jobs it announces is asked for again, and is no end of the list."""
    before = database.read_bytes()
    faults = _lasting(empty_page, 1) if lasts else {1: empty_page}
    with FaultyApi(NOW, faults) as api:
        error = _failure(api, database)

    if lasts:
        _count("faults", _code(error) == 65, database.read_bytes() == before)
    else:
        _count("faults", error is None, held(database) == told(NOW))


def test_a_page_that_repeats(database: Path) -> None:
    """A page that shows the one before it, as a stale cache does, is asked for again."""
    with FaultyApi(NOW) as good:
        first_page = _listed(good, 1)
    with FaultyApi(NOW, {1: whole(200, first_page), 4: whole(200, first_page)}) as api:
        error = _failure(api, database)

    _count("faults", error is None, held(database) == told(NOW))


def test_meta_that_is_stuck(database: Path) -> None:
    """Pages that all carry the first one's `meta` are read to the end."""
    meta = {"total_pages": 8, "total_results": 16, "page_number": 1, "page_size": PAGE_SIZE}
    with FaultyApi(NOW, otherwise=_with_meta(lambda _: meta)) as api:
        error = _failure(api, database, scope=Scope(full=True))

    _count("faults", error is None, held(database) == told(NOW))


def test_total_pages_that_shrink(database: Path) -> None:
    """A `total_pages` that falls on the way does not end the list early."""
    shrinking = _with_meta(lambda meta: {**meta, "total_pages": 8 // meta["page_number"]})
    with FaultyApi(NOW, otherwise=shrinking) as api:
        error = _failure(api, database, scope=Scope(full=True))

    _count("faults", error is None, held(database) == told(NOW))


def test_the_right_content_of_a_wrong_type(database: Path) -> None:
    """JSON that is called a web page is JSON all the same."""
    with FaultyApi(NOW, otherwise=wrong_type) as api:
        error = _failure(api, database)

    _count("faults", error is None, held(database) == told(NOW))


def test_an_open_job_that_is_gone(database: Path) -> None:
    """A 404 on a job that was open keeps its rows and notes since when it is missing."""
    with FaultyApi(NOW[:-1]) as api:
        error = _failure(api, database)

    missing = rows(database, "select id from telnyx_raw.jobs where missing_since is not null")
    _count(
        "faults",
        error is None,
        missing == [(NOW[-1]["id"],)],
        held(database) == told([*NOW[:-1], BEFORE[-1]]),
    )


def _code(error: TelnyxJobsError | None) -> int:
    return error.exit_code if error else 0


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
    monkeypatch.setattr(extraction_module, "datetime", Yesterday)
    monkeypatch.setattr(time, "time", lambda: clock() - 86_400)
    with FaultyApi(NOW, {0: refusal(429, {"x-ratelimit-reset": "0"})}) as api:
        error = _failure(api, database)

    ((observed,),) = rows(
        database,
        f"select min(observed_at) from telnyx_raw.jobs where id in ('{NOW[0]['id']}', "
        f"'{NOW[-1]['id']}')",
    )
    _count("faults", error is None, held(database) == told(NOW), observed > latest)


# faults of the published file


def test_a_file_of_another_kind(database: Path) -> None:
    """A published file that is no DuckDB file is named and left alone, with exit code 78."""
    database.chmod(0o644)
    database.write_bytes(b"notes\n" * 10_000)
    with FaultyApi(NOW) as api:
        error = _failure(api, database)

    _count(
        "faults",
        _code(error) == 78,
        "jobs.duckdb" in str(error),
        database.read_bytes() == b"notes\n" * 10_000,
    )


DAMAGES = range(24)


@pytest.mark.parametrize("seed", DAMAGES)
def test_a_damaged_file(seed: int, database: Path) -> None:
    """A file with a bit flipped, or cut short, is refused with 78, or the damage hit nothing."""
    chance = random.Random(seed)
    content = bytearray(database.read_bytes())
    if seed % 4:
        used = [at for at in range(0, len(content), 997) if content[at]]
        content[chance.choice(used)] ^= 1 << chance.randrange(8)
    else:
        del content[chance.randrange(len(content)) :]
    database.chmod(0o644)
    database.write_bytes(content)
    with FaultyApi(NOW) as api:
        error = _failure(api, database, scope=Scope(full=True))

    if error is None:
        _count("faults", held(database) == told(NOW))
    else:
        _count("faults", _code(error) == 78, database.read_bytes() == bytes(content))


def test_a_damaged_file_is_called_so(database: Path) -> None:
    """Damage in a block that only a query meets is told as damage, with what to do about it."""
    content = bytearray(database.read_bytes())
    at = content.rindex(b"Bad Request")
    content[at] ^= 1
    database.chmod(0o644)
    database.write_bytes(content)
    with FaultyApi(NOW) as api, pytest.raises(BadConfiguration, match=r"is damaged .*backup"):
        raise _failure(api, database) or AssertionError("published")


# faults of the disk


@contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[bool]:
    """A file system of so many bytes at the folder; False where this user may not mount one."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "none", str(folder)]
    try:
        is_mounted = not subprocess.run(mount, capture_output=True, check=False).returncode
    except OSError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def _limited(size: int) -> Callable[[], None]:
    """No file of the process may grow beyond so many bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _sync_in(
    folder: Path, api: FaultyApi, *arguments: str, **options: Any
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("sync", "--quiet", "--database", "jobs.duckdb", *arguments),
        cwd=folder,
        env=environment(folder) | access(api),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


@pytest.mark.parametrize("room", [0.0, 0.01, 0.4, 1.0, 1.1, 1.4])
def test_a_full_disk(room: float, published: Path, tmp_path: Path) -> None:
    """On a disk with room for less than a copy, a copy or little more, 74 or an exact file."""
    before = published.read_bytes()
    folder = tmp_path / "disk"
    folder.mkdir()
    page = 4096
    with _small_disk(folder, len(before) + page * int(room * len(before) / page)) as is_small:
        database = folder / "jobs.duckdb"
        database.write_bytes(before)
        # elsewhere a limit on each file stands in for the disk's
        limit = {} if is_small else {"preexec_fn": _limited(int(room * len(before)))}
        with FaultyApi(NOW) as api:
            done = _sync_in(folder, api, **limit)
        kept, after = database.read_bytes() == before, held(database)
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]

    if done.returncode == 0:
        _count("faults", after == told(NOW))
    else:
        _count(
            "faults",
            done.returncode == 74,
            "free disk space" in complaint(done),
            kept,
            sum(sizes) < len(before) + 100_000,
        )


@pytest.mark.parametrize("room", [0.0, 0.01, 0.4, 1.0, 1.1])
def test_a_limit_on_the_size_of_files(room: float, database: Path) -> None:
    """Where files may not grow as needed, the run ends with 74 and the file stays, or is exact."""
    before = database.read_bytes()
    with FaultyApi(NOW) as api:
        done = _sync_in(database.parent, api, preexec_fn=_limited(int(room * len(before))))

    if done.returncode == 0:
        _count("faults", held(database) == told(NOW))
    else:
        _count(
            "faults",
            done.returncode == 74,
            "free disk space" in complaint(done),
            database.read_bytes() == before,
        )


@pytest.mark.parametrize("is_first", [True, False], ids=["first run", "later run"])
def test_a_folder_without_permission(is_first: bool, published: Path, tmp_path: Path) -> None:
    """In a folder that may not be written the run ends with 74 and changes nothing."""
    folder = tmp_path / "folder"
    folder.mkdir()
    if not is_first:
        shutil.copy(published, folder / "jobs.duckdb")
    folder.chmod(0o555)
    try:
        with FaultyApi(NOW) as api:
            done = _sync_in(folder, api, preexec_fn=bound_by_permissions)
    finally:
        folder.chmod(0o755)

    names = [] if is_first else ["jobs.duckdb"]
    _count(
        "faults",
        done.returncode == 74,
        "permissions" in complaint(done),
        len(done.stderr.splitlines()) == 1,
        [path.name for path in folder.iterdir()] == names,
    )


def test_a_run_that_cannot_be_recorded_is_published(database: Path) -> None:
    """A `runs.jsonl` that takes no line is told of, and no reason to fail."""
    state = database.parent / ".jobs.duckdb.state"
    (state / "runs.jsonl").mkdir(parents=True)
    with FaultyApi(NOW) as api:
        done = run(database.parent, "sync", "--database", "jobs.duckdb", environ=access(api))

    assert done.returncode == 0
    assert "runs.jsonl lacks this run" in done.stderr
    assert held(database) == told(NOW)


# faults of the one who reads the output


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_an_output_that_nobody_reads(stream: str, database: Path) -> None:
    """When the reader of stdout or stderr has gone away the sync is done all the same, quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with FaultyApi(NOW) as api:
        done = subprocess.run(
            command("sync", "--database", "jobs.duckdb"),
            cwd=database.parent,
            env=environment(database.parent) | access(api),
            text=True,
            timeout=60,
            check=False,
            **{**streams, stream: writer},
        )
    os.close(writer)

    said = (done.stdout or "") + (done.stderr or "")
    _count("faults", done.returncode == 0, "Traceback" not in said, held(database) == told(NOW))


def test_an_output_that_is_full(database: Path) -> None:
    """A summary that cannot be written is told of with 74, without a traceback."""
    with FaultyApi(NOW) as api, Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("sync", "--quiet", "--database", "jobs.duckdb"),
            cwd=database.parent,
            env=environment(database.parent) | access(api),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 74
    assert "output cannot be written" in complaint(done)
