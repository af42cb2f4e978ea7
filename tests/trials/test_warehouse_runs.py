"""Several runs into one PostgreSQL database: what they report, and what none of them writes."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.killed_command import DRIVER
from support.listener import Listener
from support.postgres import PASSWORD, Server
from support.rates import rising
from support.syncs import (
    Jobs,
    access,
    api_of,
    complaint,
    environment,
    error,
    failure,
    job,
    run,
)
from support.warehouse_syncs import CREDENTIALS, sync_to


@pytest.fixture
def database(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, which syncs of this process go into."""
    name = postgres.new_database()
    monkeypatch.setenv(CREDENTIALS, postgres.url(name))
    return name


def command(folder: Path, api: Any, url: str, *arguments: str) -> Any:
    return run(
        folder,
        *("sync", "--destination", "postgres", "--max-retries", "0", *arguments),
        environ=access(api) | {CREDENTIALS: url},
    )


def test_the_password_is_never_written(database: str, postgres: Server, tmp_path: Path) -> None:
    """No output and no file of a successful, a refused or a killed run has a password."""
    wrong = "WrOnG_5eCrEt_pAsS"
    with api_of([job(1)]) as api:
        done = [
            command(tmp_path, api, postgres.url(database), "--json", "--debug"),
            command(tmp_path, api, postgres.url(database, wrong), "--debug"),
            command(tmp_path, api, postgres.url(database, wrong)),
        ]
        # what dlt had written of its own is still there then
        step = "telnyx_jobs.destinations.warehouse:Warehouse.finish:before:1"
        killed = subprocess.run(
            [sys.executable, "-c", DRIVER, step, "sync", "--destination", "postgres"],
            cwd=tmp_path,
            env=environment(tmp_path) | access(api) | {CREDENTIALS: postgres.url(database)},
            capture_output=True,
            check=False,
        )
    assert killed.returncode == -signal.SIGKILL
    assert json.loads(done[0].stdout)["database"] == "postgres telnyx_raw"
    assert [each.returncode for each in done] == [0, 74, 74]
    said = [(each.stdout + each.stderr).encode() for each in done]
    said += [killed.stdout, killed.stderr]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    said += [path.read_bytes() for path in files]
    passwords = (PASSWORD.encode(), wrong.encode())
    assert [text for text in said if any(each in text for each in passwords)] == []
    state = tmp_path / ".telnyx_jobs.duckdb.postgres.state"
    assert state / "runs.jsonl" in files
    work = [path.relative_to(state / "work") for path in files if state / "work" in path.parents]
    # each run has a folder of its own there, with dlt's in it
    assert [path for path in work if path.parts[1] == "dlt"]


@pytest.mark.usefixtures("database")
def test_a_rate_that_rises_in_a_warehouse_is_reported_once(tmp_path: Path) -> None:
    """The sync that finds a rate risen reports it, in a dataset of an own name too."""
    names = {"dataset": "north_raw", "views_schema": "north"}
    earlier, recent = rising("10015", "/tags/0")
    jobs = Jobs([earlier])
    reported = []
    with api_of(jobs) as api:
        for content in ([earlier], [earlier, recent], [earlier, recent | {"status": "failed"}]):
            jobs[:] = content
            reported.append(sync_to(api, tmp_path, **names).rises)

    kind = {"error_code": "10015", "error_pointer_pattern": "/tags/*"}
    rates = {"recent_failure_rate": 0.4, "earlier_failure_rate": 0.02}
    assert reported == [[], [kind | rates], []]


def test_a_warehouse_is_asked_whether_it_was_synced_before(
    database: str, postgres: Server, tmp_path: Path
) -> None:
    """A later sync names what is new also on a machine that has none of the state folders."""
    environ = {CREDENTIALS: postgres.url(database)}
    jobs = Jobs([job(1, failed_operations=[failure(1, error("10015", "/tags/1"))])])
    with api_of(jobs) as api, Listener() as listener:
        assert sync_to(api, tmp_path).is_first
        jobs.append(job(2, failed_operations=[failure(2, error("85004", "/tags/2"))]))
        environ |= access(api) | {"TELNYX_JOBS_WEBHOOK": f"{listener.url}/hook"}
        (tmp_path / "elsewhere").mkdir()
        run(tmp_path / "elsewhere", "sync", "--destination", "postgres", environ=environ)

    (message,) = listener.received
    assert message.json["text"] == (
        "telnyx-jobs: 1 kind of failure never seen before: `85004 at /tags/*`"
    )


def test_the_demo_and_masked_numbers(database: str, postgres: Server, tmp_path: Path) -> None:
    """The demo goes into a warehouse too, and with a mask no plain number does, also not later."""
    since = f"{datetime.now(UTC) - timedelta(days=14):%Y-%m-%d}"
    for _ in range(2):
        done = run(
            tmp_path,
            *("sync", "--demo", "--destination", "postgres", "--mask-phone-numbers"),
            *("--since", since),
            environ={CREDENTIALS: postgres.url(database)},
        )
        assert (done.returncode, done.stdout.splitlines()[0]) == (
            0,
            "Published postgres telnyx_raw",
        )
    sql = "select count(*), count(*) filter (where phone_number ~ '^[+][0-9]+-[0-9a-f]{16}$') from "
    ((all_numbers, masked),) = postgres.rows(database, sql + "telnyx.job_operations")
    assert all_numbers == masked > 1_000
    done = run(
        tmp_path,
        *("sync", "--demo", "--destination", "postgres"),
        environ={CREDENTIALS: postgres.url(database)},
    )
    assert (done.returncode, "masked" in complaint(done)) == (78, True)
