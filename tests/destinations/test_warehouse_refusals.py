"""What a warehouse refuses, or what is refused for it: a message and an exit code."""

from pathlib import Path
from typing import Any

import pytest

from support.postgres import Server
from support.syncs import (
    Json,
    access,
    api_of,
    complaint,
    job,
    run,
)
from support.warehouse_syncs import CREDENTIALS


def command(folder: Path, api: Any, url: str, *arguments: str, **environ: str) -> Any:
    return run(
        folder,
        *("sync", "--destination", "postgres", "--max-retries", "0", *arguments),
        environ=access(api) | ({CREDENTIALS: url} if url else {}) | environ,
    )


@pytest.mark.parametrize(
    ("case", "code", "message"),
    [
        ("wrong password", 74, "password authentication failed"),
        ("no server", 74, "Connection refused"),
        ("no such database", 74, 'database "nowhere" does not exist'),
        ("no credentials", 78, "DESTINATION__POSTGRES__CREDENTIALS"),
        ("no address", 78, ".dlt/secrets.toml"),
    ],
)
def test_a_warehouse_that_cannot_be_used(
    case: str, code: int, message: str, postgres: Server, tmp_path: Path
) -> None:
    """A fault of the credentials or the server is reported in one line, with its exit code."""
    url = {
        "wrong password": postgres.url("postgres", "wrong"),
        "no server": "postgresql://telnyx:wrong@127.0.0.1:1/postgres",
        "no such database": postgres.url("nowhere"),
        "no credentials": "",
        "no address": "no address",
    }[case]
    with api_of([job(1)]) as api:
        done = command(tmp_path, api, url)
    assert done.returncode == code
    assert message in complaint(done)


def test_a_refused_statement_is_not_blamed_on_credentials(
    filled: str, one_job: Json, postgres: Server, tmp_path: Path
) -> None:
    """A column that somebody renamed is reported as what PostgreSQL says about it."""
    postgres.rows(filled, "alter table telnyx_raw._dlt_loads rename column status to state")
    with api_of([one_job]) as api:
        done = command(tmp_path, api, postgres.url(filled))

    assert done.returncode == 74
    assert 'column "status" does not exist' in complaint(done)
    assert "credentials" not in complaint(done)


def test_a_short_password_is_not_shown_by_what_is_left_out(
    postgres: Server, tmp_path: Path
) -> None:
    """An error that holds a password of one letter anywhere is not printed at all."""
    with api_of([job(1)]) as api:
        done = command(tmp_path, api, postgres.url("postgres", "e"))

    assert done.returncode == 74
    assert "not shown, since it may hold a secret" in complaint(done)
    assert "***" not in complaint(done)


def test_a_newer_database_is_refused(
    filled: str, one_job: Json, postgres: Server, tmp_path: Path
) -> None:
    """A database that a newer version filled is 78 for sync and check, with what to install."""
    postgres.rows(filled, "update telnyx_raw.sync_runs set version = '99.1.0'")
    with api_of([one_job]) as api:
        environ = access(api) | {CREDENTIALS: postgres.url(filled)}
        done = [
            run(tmp_path, name, "--destination", "postgres", environ=environ)
            for name in ("sync", "check")
        ]

    assert [each.returncode for each in done] == [78, 78]
    assert all("telnyx-jobs>=99.1.0" in each.stdout + each.stderr for each in done)


def test_an_unknown_destination(tmp_path: Path) -> None:
    """An unknown name is wrong usage on the command line, and bad configuration elsewhere."""
    done = run(tmp_path, "sync", "--demo", "--destination", "oracle")
    assert (done.returncode, "postgres" in complaint(done)) == (2, True)
    done = run(tmp_path, "sync", "--demo", environ={"TELNYX_JOBS_DESTINATION": "oracle"})
    assert done.returncode == 78


def test_an_extra_that_is_not_installed(tmp_path: Path) -> None:
    """A destination whose packages are missing says what to install."""
    done = run(tmp_path, "sync", "--demo", "--destination", "snowflake")
    assert done.returncode == 78
    assert "pip install 'telnyx-jobs[snowflake]'" in complaint(done)
