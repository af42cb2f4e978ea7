"""Files and databases that earlier versions published, brought to the present by a sync."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from support.postgres import Server
from support.published_files import PUBLISHED, unpacked
from support.syncs import Json, access, api_of, complaint, rows, run, sync_once
from support.warehouse_syncs import CREDENTIALS
from telnyx_jobs.demo_api import FakeApi
from telnyx_jobs.schema import LOADED, TABLES

EACH_TEST_IS_A_TRIAL_OF = "versions"
VERSIONS = sorted(path.name for path in PUBLISHED.iterdir())
OURS = ("observed_at", "missing_since")
"""Columns that say when syncs ran."""


@pytest.fixture(params=VERSIONS)
def earlier(request: pytest.FixtureRequest) -> Path:
    """What a version has left."""
    folder: Path = PUBLISHED / request.param
    return folder


@pytest.fixture
def api(earlier: Path) -> Iterator[FakeApi]:
    """The API as it was for that version."""
    jobs: list[Json] = json.loads(gzip.decompress((earlier / "api.json.gz").read_bytes()))
    with api_of(jobs) as serving:
        yield serving


def said(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Each row of each loaded table, without the times of the syncs."""
    return {
        table.name: rows(
            database,
            "select columns(lambda c: not c in "
            f"{OURS}) from telnyx_raw.{table.name} order by all nulls first",
        )
        for table in LOADED
    }


@pytest.mark.parametrize("left", ["plain", "interrupted"])
def test_an_earlier_file_becomes_what_a_new_one_is(
    left: str, earlier: Path, api: FakeApi, tmp_path: Path
) -> None:
    """After one sync the file holds what a file made today holds, row for row, in every table."""
    database = unpacked(earlier / f"{left}.tar.gz", tmp_path)
    sync_once(api, database, page_size=10)
    sync_once(api, tmp_path / "new.duckdb")

    assert said(database) == said(tmp_path / "new.duckdb")
    assert len(said(database)["job_parameters"]) > 50
    ((version,),) = rows(
        database, "select version from telnyx.sync_runs order by started_at desc limit 1"
    )
    assert version is not None


def test_verify_wants_a_sync_first(earlier: Path, api: FakeApi, tmp_path: Path) -> None:
    """Until a sync has brought the file up to date, `verify` is 78 and says so."""
    database = unpacked(earlier / "plain.tar.gz", tmp_path)
    done = run(database.parent, "verify", "--database", database.name, environ=access(api))

    assert done.returncode == 78
    assert "run telnyx-jobs sync first" in complaint(done)


def test_a_masked_file_stays_masked(earlier: Path, api: FakeApi, tmp_path: Path) -> None:
    """The key in the state folder continues to mask, and parameters get their table."""
    database = unpacked(earlier / "masked.tar.gz", tmp_path)
    before = said_numbers(database)
    done = run(
        database.parent,
        *("sync", "--quiet", "--mask-phone-numbers", "--database", database.name),
        environ=access(api),
    )

    assert done.returncode == 0, done.stderr
    assert said_numbers(database) == before
    assert all("-" in number for (number,) in before)
    assert rows(database, "select count(*) > 50 from telnyx_raw.job_parameters") == [(True,)]


def said_numbers(database: Path) -> list[tuple[Any, ...]]:
    sql = "select phone_number from telnyx_raw.job_operations order by all"
    return rows(database, sql)


def test_an_earlier_database_becomes_what_a_new_one_is(
    earlier: Path, api: FakeApi, postgres: Server, tmp_path: Path
) -> None:
    """A PostgreSQL database that an earlier version filled is brought up to date likewise."""
    old, new = postgres.new_database(), postgres.new_database()
    dump = gzip.decompress((earlier / "postgres.sql.gz").read_bytes()).decode()
    postgres.rows(old, dump)
    for database in (old, new):
        done = run(
            tmp_path,
            *("sync", "--quiet", "--destination", "postgres", "--database", f"{database}.duckdb"),
            environ=access(api) | {CREDENTIALS: postgres.url(database)},
        )
        assert done.returncode == 0, done.stderr

    for table in LOADED:
        names = ", ".join(
            f"cast({c.name} as text)"
            for c in table.columns
            if c.name not in OURS and not c.name.startswith("_dlt")
        )
        sql = f"select {names} from telnyx_raw.{table.name} order by {names}"
        assert postgres.rows(old, sql) == postgres.rows(new, sql), table.name
    indexes = (
        "select indexdef from pg_indexes where schemaname = 'telnyx_raw' "
        "and indexname like '%_by_%' order by 1"
    )
    assert len(postgres.rows(old, indexes)) > len(LOADED)
    assert postgres.rows(old, indexes) == postgres.rows(new, indexes)


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """A file that a newer version published is left alone, and the message names that version."""

    database = tmp_path / "jobs.duckdb"
    with api_of([]) as api:
        sync_once(api, database)
        database.chmod(0o644)
        with duckdb.connect(str(database)) as connection:
            connection.execute("update telnyx_raw.sync_runs set version = '99.1.0'")
        database.chmod(0o444)
        before = database.read_bytes()
        done = run(tmp_path, "sync", "--quiet", "--database", database.name, environ=access(api))

    assert (done.returncode, database.read_bytes() == before) == (78, True)
    assert "telnyx-jobs>=99.1.0" in complaint(done)


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_one_more_column_is_added(table: str, tmp_path: Path) -> None:
    """A file that lacks a column of today, in any table, gets it with the next sync."""

    database = tmp_path / "jobs.duckdb"
    with api_of([]) as api:
        sync_once(api, database)
        (column,) = next(t for t in TABLES if t.name == table).columns[-1:]
        database.chmod(0o644)
        with duckdb.connect(str(database)) as connection:
            connection.execute("drop schema telnyx cascade")
            connection.execute(f'alter table telnyx_raw.{table} drop column "{column.name}"')
        sync_once(api, database)

    assert rows(database, f'select count("{column.name}") >= 0 from telnyx_raw.{table}') == [
        (True,)
    ]
