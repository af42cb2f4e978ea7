"""`query` and `worklist` of a real PostgreSQL: what the file gives, and what is refused."""

import csv
import json
import signal
import subprocess
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.postgres import Server
from support.syncs import access, api_of, command, complaint, environment, error, failure, job, run
from support.warehouse_syncs import CREDENTIALS, sync_to
from telnyx_jobs.destinations.answer import WrongQuery
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.report.query import query
from telnyx_jobs.report.worklist import worklist, write_requests
from telnyx_jobs.settings import Settings

SENT = {"connection_id": "12", "tags": ["é", "b"], "voice": {"x": None}, "hd": True}
POINTERS = ("/connection_id", "/tags", "/tags/1", "/hd", "/base", "/voice/x", "hd", "")
ERRORS = [error(str(place), pointer) for place, pointer in enumerate(POINTERS)]
JOBS = [
    job(3, failed_operations=[failure(3)], type="delete_phone_numbers"),
    job(2, parameters={"tags": ["x"]}, failed_operations=[failure(n) for n in (4, 2, 1)]),
    job(1, parameters=SENT, failed_operations=[failure(1, *ERRORS), failure(2)]),
]
NAMES = {"dataset": "north_raw", "views_schema": "north"}


class Synced(NamedTuple):
    """The same account in a file and in a database."""

    folder: Path
    database: str

    def settings(self, target: str) -> Settings:
        names: dict[str, Any] = dict(NAMES) if target == "postgres" else {}
        settings = Settings(self.folder / "jobs.duckdb", destination=target)
        return replace(settings, **names)


@pytest.fixture(scope="module")
def synced(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Synced:
    found = Synced(tmp_path_factory.mktemp("both"), postgres.new_database())
    with pytest.MonkeyPatch.context() as patch, api_of(JOBS) as api:
        patch.setenv(CREDENTIALS, postgres.url(found.database))
        sync_to(api, found.folder, "duckdb")
        sync_to(api, found.folder, **NAMES)
    return found


@pytest.fixture(autouse=True)
def credentials(synced: Synced, postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CREDENTIALS, postgres.url(synced.database))


def answer(synced: Synced, sql: str, form: str = "csv", target: str = "postgres") -> str:
    out = StringIO()
    query(destination_for(synced.settings(target)), sql, form, out, None)
    return out.getvalue()


def unordered(text: str) -> list[str]:
    """The objects of a JSON array, sorted, with sorted names."""
    return sorted(json.dumps(each, sort_keys=True) for each in json.loads(text))


@pytest.mark.parametrize("form", ["table", "csv", "json"])
@pytest.mark.parametrize(
    "sql",
    [
        "job_operations",
        "failing_phone_numbers",
        "select id, parameters, created_at, missing_since from telnyx_raw.jobs order by id",
        "select job_type, count(*) as n, sum(failed_count) as failed, avg(failed_count) as mean "
        "from jobs group by job_type order by job_type",
        "select 1 as a, 2 as a, null as b, '' as c, true as d where 1 = 1",
        "select id from jobs where 1 = 0",
    ],
)
def test_an_answer_is_that_of_the_file(sql: str, form: str, synced: Synced) -> None:
    """Names, tables, NULL, JSON, times and numbers are printed alike; only rows may be sorted."""
    there = sql.replace("telnyx_raw.", "north_raw.")
    if "id from jobs" in sql:
        sql = there = sql.replace("select id", "select job_id")
    found, expected = answer(synced, there, form), answer(synced, sql, form, "duckdb")
    if form == "json":
        assert unordered(found) == unordered(expected)
    elif "{" not in expected and "[" not in expected:
        # JSON itself is written with other spaces
        assert sorted(found.splitlines()) == sorted(expected.splitlines())


@pytest.mark.parametrize(
    "sql",
    [
        "delete from north_raw.jobs",
        "with gone as (delete from north_raw.jobs returning id) select * from gone",
        "select * into north_raw.copied from north_raw.jobs",
        "create table north_raw.made (a int)",
        "select 1; commit; delete from north_raw.jobs",
        "copy north_raw.jobs to '/tmp/copied'",
        "explain analyze delete from north_raw.jobs",
        "select pg_advisory_lock(1), nextval('north_raw.nothing')",
        "select pg_read_file('/etc/passwd')",
        "select pg_ls_dir('/')",
        "select lo_import('/etc/passwd')",
        "set role telnyx",
        "",
        "selec 1",
        "no_such_view",
        "select nothing from jobs",
        "\udcff",
    ],
)
def test_what_is_refused(sql: str, synced: Synced, postgres: Server) -> None:
    """What changes anything, reads the server's files or is wrong ends in one line."""
    with pytest.raises(WrongQuery) as refused:
        answer(synced, sql)
    assert ": " in str(refused.value)
    assert "\n" not in str(refused.value)
    kept = postgres.rows(synced.database, "select count(*) from north_raw.jobs")
    assert kept == [(len(JOBS),)]
    made = "select table_name from information_schema.tables where table_name in ('made', 'copied')"
    assert postgres.rows(synced.database, made) == []


def test_the_database_itself_refuses_a_change(synced: Synced, postgres: Server) -> None:
    """A function that writes is stopped by the read-only transaction, whatever its name says."""
    postgres.rows(
        synced.database,
        "create or replace function north.peek() returns bigint language sql as "
        "'delete from north_raw.jobs returning 1'",
    )
    with pytest.raises(WrongQuery, match="read-only transaction"):
        answer(synced, "select peek()")


def test_ctrl_c_ends_a_long_query_at_once(synced: Synced, postgres: Server, tmp_path: Path) -> None:
    """A query that would take an hour ends with 130, and in the server too."""
    # the rows of a query are fetched from a cursor of this name
    running = (
        "select count(*) from pg_stat_activity where query like 'FETCH %answer%' "
        f"and state = 'active' and datname = '{synced.database}'"
    )
    options = ("--destination", "postgres", "--dataset", "north_raw", "--views-schema", "north")
    process = subprocess.Popen(
        command("query", "select pg_sleep(3600)", *options),
        cwd=tmp_path,
        env=environment(tmp_path) | {CREDENTIALS: postgres.url(synced.database)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 50
    while postgres.rows("postgres", running) != [(1,)]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert time.monotonic() - sent < 5
    assert postgres.rows("postgres", running) == [(0,)]


def test_the_commands_take_the_names(synced: Synced, postgres: Server, tmp_path: Path) -> None:
    """`query` and `worklist` read the dataset given; one without a sync is 78, wrong SQL is 2."""
    environ = {CREDENTIALS: postgres.url(synced.database), "TELNYX_JOBS_DESTINATION": "postgres"}
    names = ("--dataset", "north_raw", "--views-schema", "north")
    asked = run(tmp_path, "query", "jobs", *names, "--format", "csv", environ=environ)
    listed = run(tmp_path, "worklist", *names, "--format", "csv", environ=environ)
    wrong = run(tmp_path, "query", "selec 1", *names, environ=environ)
    empty = run(tmp_path, "query", "jobs", environ=environ)
    assert [each.returncode for each in (asked, listed, wrong, empty)] == [0, 0, 2, 78]
    assert len(list(csv.reader(StringIO(asked.stdout)))) == 1 + len(JOBS)
    assert "+15550000001" in listed.stdout
    assert "run telnyx-jobs sync first" in complaint(empty)


def test_the_worklist_is_that_of_the_file(synced: Synced, tmp_path: Path) -> None:
    """List and request bodies are the same, to the byte, from both."""
    printed, written = [], []
    for target in ("duckdb", "postgres"):
        destination = destination_for(synced.settings(target))
        listed, requested = StringIO(), StringIO()
        worklist(destination, "csv", listed, None)
        folder = tmp_path / target
        nulls = write_requests(destination, folder, "csv", requested, None)
        printed.append((listed.getvalue(), requested.getvalue(), nulls))
        written.append({path.name: path.read_text() for path in sorted(folder.iterdir())})
    assert printed[0] == printed[1]
    assert written[0] == written[1]
    assert len(written[0]) == 2
    sent = {
        row["error_pointer"]: row["sent_value"] for row in csv.DictReader(StringIO(printed[0][0]))
    }
    assert sent[""] == ""


def test_masked_numbers_are_refused(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warehouse that holds masks is exit 78, as a file is, and no folder is made."""
    environ = {CREDENTIALS: postgres.url(postgres.new_database())}
    environ["TELNYX_JOBS_DESTINATION"] = "postgres"
    with api_of(JOBS) as api:
        done = run(tmp_path, "sync", "--mask-phone-numbers", environ=environ | access(api))
    assert done.returncode == 0, done.stderr
    done = run(tmp_path, "worklist", "--requests", "made", environ=environ)
    assert (done.returncode, "masked" in complaint(done)) == (78, True)
    assert not (tmp_path / "made").exists()
