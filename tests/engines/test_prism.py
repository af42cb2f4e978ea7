"""A sync against Prism, which serves Telnyx's own specification with the examples in it.

Prism answers every page with the one job of the specification, as page 2 of 3 with 55 jobs.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from support.demo_account import ACCOUNT, NOW
from support.npm_packages import NODE, installed
from support.syncs import rows, sync_once, tables
from telnyx_jobs.demo_api import serve
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.report.worklist import write_requests
from telnyx_jobs.settings import Settings

PRISM_VERSION = "5.14.2"
START_SECONDS = 60.0
TESTS = Path(__file__).parents[1]
SPECIFICATION = TESTS / "data" / "telnyx-2026-07.json"

JOB_ID = "42587e44-3a3e-46de-9255-0c9a7a1d1ec7"
UPDATED_AT = datetime(2020, 10, 23, 18, 10, 1, tzinfo=UTC)


class Prism(NamedTuple):
    """A running Prism. It serves no /v2, and takes any key."""

    url: str
    key: str


@pytest.fixture(scope="module")
def prism() -> Iterator[Prism]:
    """Prism in its own process, from its first answer until the module's last test."""
    port = _free_port()
    folder = installed(f"prism-{PRISM_VERSION}", f"@stoplight/prism-cli@{PRISM_VERSION}")
    program = folder / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
    arguments = ["mock", "--host", "127.0.0.1", "--port", str(port), str(SPECIFICATION)]
    with subprocess.Popen([NODE, program, *arguments], stdout=subprocess.DEVNULL) as process:
        try:
            _await_answers(process, port)
            yield Prism(f"http://127.0.0.1:{port}", "KEY-for-prism")
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def published(prism: Prism, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that a first sync against Prism publishes."""
    database = tmp_path_factory.mktemp("prism") / "telnyx_jobs.duckdb"
    sync_once(prism, database)
    return database


def test_the_job_is_loaded_once(published: Path) -> None:
    """However often the pages repeat the specification's job, it is one row."""
    assert rows(
        published,
        "select job_id, job_type, status, is_open, created_at, updated_at, "
        "estimated_completion_at, requested_count, successful_count, pending_count, failed_count, "
        "failure_rate from telnyx.jobs",
    ) == [
        (
            JOB_ID,
            "update_emergency_settings",
            "pending",
            True,
            datetime(2020, 10, 23, 18, 10, tzinfo=UTC),
            UPDATED_AT,
            datetime(2020, 10, 30, 18, 10, tzinfo=UTC),
            4,
            2,
            1,
            1,
            1 / 3,
        )
    ]


def test_the_numbers_keep_their_order_and_their_kind(published: Path) -> None:
    """A number is asked for by id or by E.164 number; only what was sent has a value."""
    assert rows(published, "select * from telnyx.job_phone_numbers order by position") == [
        (JOB_ID, 0, "2637816387126861836", None),
        (JOB_ID, 1, None, "+19715555098"),
        (JOB_ID, 2, None, "+19705555099"),
        (JOB_ID, 3, "3388768018273", None),
    ]


def test_the_operations_are_loaded_with_their_outcome(published: Path) -> None:
    """Each operation is one row, with the outcome of its array."""
    assert rows(
        published,
        "select outcome, position, phone_number_id, phone_number, error_count "
        "from telnyx.job_operations order by all",
    ) == [
        ("failed", 0, "3388768018273", "+19705551234", 1),
        ("pending", 0, "2637816387126861837", "+19705555099", 0),
        ("successful", 0, "2637816387126861836", "+19705555098", 0),
        ("successful", 1, "33081887126861836", "+19715555098", 0),
    ]


def test_the_error_is_loaded_with_code_and_pointer(published: Path) -> None:
    """The failed operation's error keeps its code, texts and pointer; what it lacks is NULL."""
    assert rows(published, "select * from telnyx_raw.job_operation_errors") == [
        (
            *(JOB_ID, 0, 0, "10015", "Bad Request", "The field is invalid."),
            *("/emergency_address_id", None, None, None),
        )
    ]


def test_the_failure_rate_is_one_in_three(published: Path) -> None:
    """One of three settled operations failed with the code; the pending one counts nowhere."""
    rates = (
        "select error_code, error_title, failed_operation_count, settled_operation_count, "
        "failure_rate, job_count, phone_number_count, first_failed_at, last_failed_at "
        "from telnyx.failure_rates_by_error_code"
    )
    assert rows(published, rates) == [
        ("10015", "Bad Request", 1, 3, 1 / 3, 1, 1, UPDATED_AT, UPDATED_AT)
    ]


def test_a_second_sync_changes_no_row(prism: Prism, published: Path) -> None:
    """A job that did not change is not written again."""
    before = tables(published)
    summary = sync_once(prism, published)
    assert (summary.published, summary.jobs_changed) == (True, 0)
    assert tables(published) == before


@pytest.mark.parametrize(
    "scope", [{"job_ids": (JOB_ID,)}, {"job_types": ("update_emergency_settings",)}]
)
def test_a_narrower_sync_gives_the_same_job(
    scope: dict[str, Any], prism: Prism, published: Path, tmp_path: Path
) -> None:
    """The job is the same when it is asked for by its id or by its type."""
    database = tmp_path / "telnyx_jobs.duckdb"
    sync_once(prism, database, **scope)
    jobs = "select * exclude (observed_at) from telnyx.jobs"
    assert rows(database, jobs) == rows(published, jobs)


def test_the_command_succeeds(prism: Prism, tmp_path: Path) -> None:
    """The command line ends with 0 on pages that contradict their own page numbers."""
    ended = subprocess.run(
        [sys.executable, "-m", "telnyx_jobs", "sync", "--base-url", prism.url, "--json"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(TESTS.parent / "pipelines"),
            "TELNYX_API_KEY": prism.key,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout)
    assert summary["rows"] == {
        "jobs": 1,
        "job_phone_numbers": 4,
        "job_operations": 4,
        "job_operation_errors": 1,
        "job_parameters": 0,
        "job_observations": 1,
        "rejected_records": 0,
    }


def test_each_request_of_the_worklist_is_accepted(prism: Prism, tmp_path: Path) -> None:
    """Prism checks the bodies against the specification, and answers each with 202."""
    database = tmp_path / "telnyx_jobs.duckdb"
    with serve(lambda: ACCOUNT.jobs(NOW)) as api:
        sync_once(api, database)
    target = destination_for(Settings(database))
    write_requests(target, tmp_path / "requests", "json", StringIO(), None)
    files = sorted((tmp_path / "requests").iterdir())
    headers = {"Authorization": f"Bearer {prism.key}"}
    with httpx.Client(base_url=prism.url, headers=headers, trust_env=False) as client:
        for path in files:
            request = json.loads(path.read_text())
            answer = client.request(request["method"], request["path"], json=request["body"])
            assert answer.status_code == 202, (path.name, answer.text)
        refused = client.post(request["path"], json={"phone_numbers": 1})
    assert refused.status_code == 422
    assert len(files) > 10


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


def _await_answers(process: subprocess.Popen[bytes], port: int) -> None:
    """Returns when the process accepts connections on the port."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, f"Prism ended with {process.returncode}"
        assert time.monotonic() < deadline, f"Prism does not answer in {START_SECONDS:.0f} s"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            # not listening yet
            time.sleep(0.05)
