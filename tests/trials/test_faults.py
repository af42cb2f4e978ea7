"""Faults during a sync: after any of them the file is exact, or as it was byte for byte.

Each fault occurs on the first request, a middle one, and each of the three that read open jobs: the
filtered list, a page by its rank, a job by its id. The sync has new jobs, known ones that changed,
and a published file to keep.
"""

import shutil
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import cycle, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.answer_faults import (
    cut_by_length,
    cut_chunk,
    cut_gzip,
    cut_without_length,
    drip,
    empty_body,
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
    stall_after_head,
    whole,
    without_meta,
)
from support.fault_trials import (
    BY_ID,
    BY_RANK,
    FILTERED,
    NOW,
    PAGE_SIZE,
    POSITIONS,
    REQUESTS,
    WAYS,
    count_trial,
    failure_of,
    is_for_the_user,
    lasting,
    way_of,
)
from support.faulty_api import Exchange, Fault, FaultyApi
from support.filter_faults import where_filtered
from support.prepared_process import PreparedProcess
from support.syncs import (
    access,
    complaint,
    environment,
    expected,
    held,
)
from telnyx_jobs.settings import Scope, Settings

SLOW = 0.4
"""Seconds that a request may take if the fault must take longer."""


class Case(NamedTuple):
    fault: Fault
    exit_code: int
    timeout: float = 10.0
    is_final: bool = False
    """Whether a retry is useless, so none is sent."""


def _throttled(headers: Mapping[str, str | None]) -> Case:
    return Case(refusal(429, headers, code="10011", title="Too many requests"), 75)


def _nobody_by_name(exchange: Exchange) -> None:
    """The end of the connection; `unknown_names` does the rest."""
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
    "429, no header": "the first page",
    "500": BY_ID,
    "connection refused": "a page mid-run",
    "connection reset": FILTERED,
    "body cut to valid JSON": BY_RANK,
    "HTML with 200": "the first page",
    "gzip that is none": BY_ID,
    "slow drip": "a page mid-run",
    "redirect elsewhere": BY_RANK,
    "401": FILTERED,
    "403": BY_ID,
}
"""A cross-section of the matrix, for real processes with their real waits."""
ONLY_FILTERED = ["500", "HTML with 200", "redirect elsewhere"]
FOLLOWED = [*zip(FAULTS, cycle(WAYS), strict=False)]
"""Faults on one way each, after which the following sync is looked at too."""

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def database(twelve_jobs: Path, tmp_path: Path) -> Path:
    """A copy of the published file, for one test."""
    path = tmp_path / "jobs.duckdb"
    shutil.copy(twelve_jobs, path)
    return path


@pytest.fixture(autouse=True)
def unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request that met `_nobody_by_name` makes one look-up of a host name fail."""
    NAMES_LOST.clear()
    look_up = socket.getaddrinfo

    def failing(*arguments: Any, **options: Any) -> Any:
        if NAMES_LOST:
            NAMES_LOST.pop()
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", failing)


@pytest.mark.parametrize(
    ("name", "position"), [case for case in product(FAULTS, POSITIONS) if case not in FOLLOWED]
)
def test_a_lasting_fault_fails_with_its_code_and_keeps_the_file(
    name: str, position: str, database: Path
) -> None:
    """A fault that stays gives its exit code and a line that says what to do; no byte changes."""
    count_trial("faults", *_fails(name, position, database))


@pytest.mark.parametrize(("name", "way"), FOLLOWED)
def test_the_sync_after_a_fault_is_exact(name: str, way: str, database: Path) -> None:
    """After a sync that failed, one that meets the fault once on each of five requests is exact."""
    case = FAULTS[name]
    failed = _fails(name, way, database)
    # the pages that the failed run has kept need no loaded job to be asked for; and each request
    # but the first comes one later for each fault before it
    places = [0, 2, *(place - 1 for place in WAYS.values())]
    faults = {place + n: case.fault for n, place in enumerate(places)}
    passing = faults if name in PASSING else {}
    with FaultyApi(NOW, passing) as api:
        error = failure_of(api, database, timeout=max(case.timeout, 2 * SLOW), max_retries=2)
        ways = [way for way in map(way_of, api.requests) if way]
        asked = len(api.requests)

    tries = 2 if passing else 1
    count_trial(
        "faults",
        *failed,
        error is None,
        asked == REQUESTS - 1 + len(passing),
        ways == [way for way in WAYS for _ in range(tries)],
        held(database) == expected(NOW),
    )


@pytest.mark.parametrize("name", ONLY_FILTERED)
def test_a_filter_that_fails_is_not_needed(name: str, database: Path) -> None:
    """If only the filtered list fails, its jobs are read in the other ways, and no row is lost."""
    case = FAULTS[name]
    with FaultyApi(NOW, otherwise=where_filtered(case.fault)) as api:
        error = failure_of(api, database, timeout=max(case.timeout, 2 * SLOW))
        ways = {way_of(request) for request in api.requests}

    count_trial("faults", error is None, ways >= WAYS.keys(), held(database) == expected(NOW))


@pytest.mark.parametrize("name", [name for name in FAULTS if name.startswith("429")])
def test_eight_refusals_in_a_row_are_survived(name: str, database: Path) -> None:
    """By default eight 429 in a row, on each of five requests, cost no row."""
    faults = {
        first + 8 * n + i: FAULTS[name].fault
        for n, first in enumerate(POSITIONS.values())
        for i in range(8)
    }
    retries = Settings(database, "", "", Scope()).max_retries
    with FaultyApi(NOW, faults) as api:
        error = failure_of(api, database, max_retries=retries)
        asked = len(api.requests)

    count_trial(
        "faults",
        error is None,
        asked == REQUESTS + 8 * len(POSITIONS),
        held(database) == expected(NOW),
    )


@pytest.mark.parametrize("name", IN_PROCESSES)
def test_a_fault_in_a_process_of_its_own(name: str, database: Path) -> None:
    """The command ends with the fault's exit code and one line, and the next one is exact."""
    case = FAULTS[name]
    before = database.read_bytes()
    options = ("--database", database.name, "--page-size", str(PAGE_SIZE), "--max-retries", "1")
    faults = lasting(case.fault, POSITIONS[IN_PROCESSES[name]])
    with FaultyApi(NOW, faults) as api:
        timeout = ("--timeout", str(2 * SLOW if case.timeout == SLOW else 10))
        environ = environment(database.parent) | access(api)
        process = PreparedProcess(database.parent, environ, "sync", "--quiet", *options, *timeout)
        failed = process.completed(60)
    kept = database.read_bytes() == before
    with FaultyApi(NOW) as api:
        error = failure_of(api, database)

    count_trial(
        "faults",
        failed.returncode == case.exit_code,
        len(failed.stderr.splitlines()) == 1,
        is_for_the_user(complaint(failed)),
        kept,
        error is None,
        held(database) == expected(NOW),
    )


def _fails(name: str, position: str, database: Path) -> tuple[bool, ...]:
    """Whether a sync that meets the fault from this position on keeps its promises."""
    case, first = FAULTS[name], POSITIONS[position]
    before = database.read_bytes()
    with FaultyApi(NOW, lasting(case.fault, first)) as api:
        error = failure_of(api, database, timeout=case.timeout)

    left = {path.name for path in (database.parent / ".jobs.duckdb.state").iterdir()}
    return (
        error is not None and error.exit_code == case.exit_code,
        is_for_the_user(str(error)),
        way_of(api.requests[first]) == (position if position in WAYS else None),
        database.read_bytes() == before,
        left <= {"lock", "runs.jsonl", "spool"},
    )
