"""A real PostgreSQL instead of the file: the same rows and views, and the same few requests."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.exported_history import HOSTILE, assert_same
from support.postgres import Server
from support.syncs import (
    Jobs,
    Json,
    api_of,
    error,
    failure,
    job,
    numbers,
    rows,
)
from support.warehouse_syncs import CREDENTIALS, settings_for, sync_to
from telnyx_jobs.demo_api import Account
from telnyx_jobs.destinations import connection
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.errors import Bug, TryAgainLater
from telnyx_jobs.progress import nothing
from telnyx_jobs.report.figures import read_report
from telnyx_jobs.run.dry_run import plan
from telnyx_jobs.run.summary import Summary
from telnyx_jobs.schema import CHILDREN, LOADED, RAW_SCHEMA, SYNC_RUNS, TABLES, Table
from telnyx_jobs.settings import Settings
from telnyx_jobs.views.files import sql_folder

Row = tuple[Any, ...]
VIEWS = sorted(path.stem for path in (sql_folder() / "views").glob("*.sql"))
OF_EACH_RUN = {
    "jobs": {"observed_at", "missing_since", "is_overdue"},
    "open_jobs": {"is_overdue", "age_seconds"},
    "job_observations": {"observed_at"},
    "rejected_records": {"observed_at"},
    "sync_runs": {
        *("run_id", "started_at", "finished_at", "database", "throttled_seconds"),
        "history_read_since",
    },
    "data_dictionary": {"data_type"},
}
"""Columns whose values two syncs of the same jobs do not share."""


# the same rows


# in English `a` comes before `B`, by bytes after it
TITLES = [{"code": "tie", "title": title, "source": {"pointer": "/t"}} for title in ("a", "B")]
SPELT: list[Json] = [{"id": "spelt", "phone_number": number, "errors": []} for number in ("a", "B")]
TIES = [
    job(
        950,
        failed_operations=[failure(20, *TITLES), failure(21, error("a", "/a"), error("B", "/B"))],
    ),
    job(951, failed_operations=SPELT),
    # of the same moment: by bytes the one that failed is the newer
    job(952, id="job-a", failed_operations=[failure(22)]),
    job(952, id="job-B", successful_operations=numbers(22)),
]
"""Jobs that a database sorts by its language, unless a query says otherwise."""


def histories() -> Iterator[list[Any]]:
    """An account at four times: jobs appear, change, get empty arrays, are unusable or missing."""
    base = list(Account().jobs(datetime(2026, 9, 1, 8, tzinfo=UTC)))[:20]
    changing = job(
        900,
        status="pending",
        parameters={"b": [1.0, "é'\\n\n%s"], "a": {}},
        phone_numbers=numbers(1, 2),
        pending_operations=numbers(1, 2),
        unknown={"x": None},
    )
    vanishing = job(901, status="pending", phone_numbers=numbers(3), parameters={"kept": 1e-7})
    base += TIES
    yield [*base, *HOSTILE, changing, vanishing, {"id": 1}, job(902, status=7)]
    changing = changing | {"pending_operations": numbers(2), "failed_operations": [failure(1, {})]}
    yield [*base, *HOSTILE, changing, job(902)]
    arrays = ("phone_numbers", "pending_operations", "failed_operations")
    changing = changing | {name: [] for name in arrays} | {"status": "completed"}
    new = job(903, failed_operations=[failure(5, error("é", "/ä/1"), error("Z", "/a"))])
    yield [*base, *HOSTILE, changing, job(902), new]
    yield [*base, *HOSTILE, changing, job(902), new]


@pytest.fixture(scope="module")
def synced(
    postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, list[list[Summary]]]:
    """The same history in the file and in PostgreSQL, and the summaries of both."""
    folder, name = tmp_path_factory.mktemp("both"), postgres.new_database()
    summaries = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CREDENTIALS, postgres.url(name))
        for jobs in histories():
            with api_of(jobs) as api:
                targets = ("duckdb", "postgres")
                summaries.append([sync_to(api, folder, target) for target in targets])
    return folder / "jobs.duckdb", name, summaries


def both(
    synced: tuple[Path, str, list[list[Summary]]], server: Server, relation: str
) -> tuple[list[Row], list[Row]]:
    """What the file and PostgreSQL hold of a relation, JSON as Python values."""
    database, name, _ = synced
    schema, _, table = relation.partition(".")
    columns = [
        column
        for (column, *_) in rows(database, f"describe {relation}")
        if column not in OF_EACH_RUN.get(table, ()) and not column.startswith("_dlt_deleted")
    ]
    types = {c.name: c.type for known in TABLES if known.name == table for c in known.columns}
    sql = f"select {', '.join(columns)} from {schema}.{table}"

    def read(row: Row) -> Row:
        pairs = zip(columns, row, strict=True)
        return tuple(
            json.dumps(json.loads(value), sort_keys=True)
            if types.get(column) == "json" and value is not None
            else value
            for column, value in pairs
        )

    return [read(row) for row in rows(database, sql)], [read(r) for r in server.rows(name, sql)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_holds_what_the_file_holds(
    table: Table, synced: tuple[Path, str, list[list[Summary]]], postgres: Server
) -> None:
    """After four syncs of a changing account each raw table is row for row that of the file."""
    expected, found = both(synced, postgres, f"{RAW_SCHEMA}.{table.name}")
    assert expected
    assert_same(found, expected)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_gives_what_it_gives_in_the_file(
    view: str, synced: tuple[Path, str, list[list[Summary]]], postgres: Server
) -> None:
    """Each view is row for row that of the file, comments too, whatever zone and language."""
    expected, found = both(synced, postgres, f"telnyx.{view}")
    assert expected
    assert_same(found, expected)


def test_requests_and_counts_are_those_of_the_file(
    synced: tuple[Path, str, list[list[Summary]]],
) -> None:
    """Each sync has as many requests, written rows and new failures as the file's."""
    own = OF_EACH_RUN["sync_runs"]
    for summaries in synced[2]:
        file, warehouse = (
            {k: v for k, v in s.as_json().items() if k not in own} for s in summaries
        )
        assert warehouse == file
    assert [summaries[1].jobs_changed for summaries in synced[2]][-1] == 0


def test_the_report_is_that_of_the_file(
    synced: tuple[Path, str, list[list[Summary]]], postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`report` reads the same figures and rows of both; those of one rank in any order."""
    monkeypatch.setenv(CREDENTIALS, postgres.url(synced[1]))
    now = datetime.now(UTC)
    targets = (
        destination_for(Settings(synced[0], destination=name)) for name in ("duckdb", "postgres")
    )
    file, warehouse = (read_report(target, now) for target in targets)
    assert warehouse.totals == file.totals
    for name in ("codes", "pointers", "pairs", "newest", "numbers", "open_jobs"):
        expected, found = getattr(file, name), getattr(warehouse, name)
        assert expected.rows
        assert found.total == expected.total
        assert Counter(found.rows) == Counter(expected.rows)
    assert Counter(warehouse.days) == Counter(file.days)


def test_missing_jobs_are_marked(
    synced: tuple[Path, str, list[list[Summary]]], postgres: Server
) -> None:
    """A job that the API no longer returns keeps its rows, and says since when."""
    sql = "select id from telnyx_raw.jobs where missing_since is not null"
    assert postgres.rows(synced[1], sql) == [("job-00901",)] == rows(synced[0], sql)


def test_an_empty_account_has_every_table_and_view(
    database: str, postgres: Server, tmp_path: Path
) -> None:
    """Without any job all tables and views can be read."""
    with api_of([]) as api:
        sync_to(api, tmp_path)
    counts = {
        name: postgres.rows(database, f"select count(*) from {name}")
        for name in [f"{RAW_SCHEMA}.{t.name}" for t in TABLES] + [f"telnyx.{v}" for v in VIEWS]
    }
    filled = {f"{RAW_SCHEMA}.{SYNC_RUNS.name}", "telnyx.sync_runs"}
    assert {name for name, ((n,),) in counts.items() if n} - {"telnyx.data_dictionary"} == filled


def test_what_postgres_cannot_hold_is_left_out(
    database: str, postgres: Server, tmp_path: Path
) -> None:
    """U+0000 is removed from texts and JSON, an escaped backslash before `u0000` stays."""
    with api_of([job(1, type="a\x00b", parameters={"k": "x\x00y\\u0000"})]) as api:
        sync_to(api, tmp_path)
    ((type_, parameters),) = postgres.rows(database, "select type, parameters from telnyx_raw.jobs")
    assert (type_, json.loads(parameters)) == ("ab", {"k": "xy\\u0000"})


# a run that fails


def test_failing_data_tests_leave_the_warehouse_as_it_was(
    filled: str, one_job: Json, postgres: Server, tmp_path: Path
) -> None:
    """Rows that disagree end a sync with 70; the old rows stay, and the next one reads again."""
    database = filled
    with api_of(Jobs([one_job, job(2, phone_numbers=numbers(2))])) as api:
        postgres.rows(database, "create table kept as select * from telnyx_raw.job_phone_numbers")
        postgres.rows(database, "delete from telnyx_raw.job_phone_numbers")
        with pytest.raises(Bug, match=r"jobs__phone_numbers_count_agrees.*postgres is unchanged"):
            sync_to(api, tmp_path)
        assert postgres.rows(database, "select id from telnyx_raw.jobs") == [("job-00001",)]
        postgres.rows(database, "insert into telnyx_raw.job_phone_numbers select * from kept")
        assert sync_to(api, tmp_path).rows["jobs"] == 1
    sql = "select job_id from telnyx_raw.job_phone_numbers order by job_id"
    assert postgres.rows(database, sql) == [("job-00001",), ("job-00002",)]


def test_a_reader_holds_up_no_sync(
    filled: str, one_job: Json, postgres: Server, tmp_path: Path
) -> None:
    """A transaction that has read every view sees the same after a sync, which did not wait."""
    with api_of(Jobs([one_job, job(2)])) as api, postgres.connection(filled) as other:
        other.autocommit = False
        with other.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read")
            for view in VIEWS:
                cursor.execute(f"select count(*) from telnyx.{view}")
            sync_to(api, tmp_path)
            cursor.execute("select count(*) from telnyx.jobs")
            assert cursor.fetchall() == [(1,)]
    assert postgres.rows(filled, "select count(*) from telnyx.jobs") == [(2,)]


def test_of_two_machines_one_works(
    database: str, postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync into a database that another machine syncs into ends with 75 and changes nothing."""
    monkeypatch.setattr(connection, "_LOCK_SECONDS", 1)
    with api_of([job(1)]) as api, postgres.connection(database) as other:
        with other.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(hashtext('telnyx_raw'))")
        with pytest.raises(TryAgainLater, match="another sync into telnyx_raw of this database"):
            sync_to(api, tmp_path)
    sql = "select count(*) from information_schema.tables where table_schema like 'telnyx%'"
    assert postgres.rows(database, sql) == [(0,)]


def test_a_dropped_view_is_made_again(
    filled: str, one_job: Json, postgres: Server, tmp_path: Path
) -> None:
    """Views that somebody dropped or replaced with other columns are restored by the next sync."""
    postgres.rows(filled, "drop view telnyx.jobs cascade")
    postgres.rows(filled, "create view telnyx.jobs as select 1 as one")
    with api_of([one_job]) as api:
        sync_to(api, tmp_path)
    assert postgres.rows(filled, "select job_id from telnyx.jobs") == [("job-00001",)]


def test_a_dry_run_plans_from_the_warehouse(
    database: str, postgres: Server, tmp_path: Path
) -> None:
    """Before and after a sync a plan equals that of the file, and nothing is written."""
    jobs = [job(number) for number in range(30)] + [job(30, status="pending")]
    jobs += [job(-1 - n, created_at=EARLY, status="pending") for n in range(2)]
    planned = []
    with api_of(jobs[::-1]) as api:
        for _ in range(2):
            for target in ("duckdb", "postgres"):
                settings = settings_for(api, tmp_path, target, page_size=10)
                planned.append(plan(settings, destination_for(settings), nothing))
            if len(planned) == 2:
                for target in ("duckdb", "postgres"):
                    sync_to(api, tmp_path, target, page_size=10)
    assert planned[0] == planned[1] != planned[2] == planned[3]


EARLY = (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_children_and_loaded_tables_are_known() -> None:
    """The tables that a package replaces by job are those that have a marker."""
    assert {t.name for t in LOADED if t.replaced_by} == {t.name for t in CHILDREN}
