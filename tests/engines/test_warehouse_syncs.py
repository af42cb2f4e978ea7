"""Whole syncs through dlt's destinations into what stands in for a warehouse, and into the file.

docs/warehouses.md lists what each stand-in lacks.
"""

import itertools
import json
import pickle
import re
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dlt.destinations.impl.motherduck.configuration import MotherDuckCredentials
from dlt.destinations.impl.redshift.redshift import RedshiftSqlClient

from destinations.test_warehouses import OF_EACH_RUN, histories
from engines.dialect_runs import in_types
from engines.environments import in_environment, python_of
from support.exported_history import VIEWS, Row, assert_same
from support.postgres import serving
from support.syncs import access, api_of, environment, rows, run
from support.warehouse_syncs import settings_for, sync_to
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.report.figures import read_report
from telnyx_jobs.report.html import write_html
from telnyx_jobs.schema import LOADED, RAW_SCHEMA

Json = dict[str, Any]
RELATIONS = [
    *((RAW_SCHEMA, table.name) for table in LOADED),
    *(("telnyx", view) for view in VIEWS),
]


@dataclass(frozen=True)
class StandIn:
    """What stands in for a warehouse."""

    sync: Callable[[Any], Json]
    """Syncs an API into it, and returns the summary."""
    read: Callable[[Mapping[str, str]], Mapping[str, list[Row]]]
    """Runs queries by name, and returns their rows."""
    named: Callable[[str, str], str] = "{}.{}".format
    """Gives for schema and name of a table or view what it is called there."""
    syncs: Sequence[int] = (0, 1, 2, 3)
    """Which of the histories it is synced with."""
    run: Callable[..., str] | None = None
    """Runs a command with it as the destination, in the API's environment; what it prints."""
    draws: bool = False
    """Whether the report's page is drawn of it, which takes a while."""


@contextmanager
def motherduck(folder: Path) -> Iterator[StandIn]:
    """A DuckDB file behind dlt's motherduck destination, instead of the service."""
    path = folder / "it.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESTINATION__MOTHERDUCK__CREDENTIALS", "md:it?motherduck_token=token")
        patch.setattr(MotherDuckCredentials, "_conn_str", lambda _: str(path))

        def read(queries: Mapping[str, str]) -> Mapping[str, list[Row]]:
            with duckdb.connect(str(path)) as connection:
                connection.execute("set TimeZone = 'UTC'")
                return {n: connection.execute(sql).fetchall() for n, sql in queries.items()}

        yield StandIn(lambda api: sync_to(api, folder, "motherduck").as_json(), read)


OTHERWISE = (
    (r" (DISTKEY|SORTKEY)\b", ""),
    ("varchar\\(max\\)", "varchar"),
    ("DATEDIFF\\((\\w+),", r"datediff('\1',"),
    ("REGEXP_REPLACE", "replace_all"),
    (
        r"LISTAGG\((DISTINCT [^,]+, '[^']*')\) WITHIN GROUP \((ORDER BY\s[^)]*)\)",
        r"string_agg(\1 \2)",
    ),
    (r'("jobs"."parameters")\.("tags")', r"\1 -> 'tags'"),
)
"""What PostgreSQL writes otherwise than Redshift, with a pattern of the latter."""
LACKING = """
create domain super as jsonb;
create function json_parse(text) returns jsonb language sql immutable as 'select $1::jsonb';
create function json_serialize(super) returns text language sql immutable as 'select $1::text';
create function getdate() returns timestamptz language sql stable as 'select now()';
create function replace_all(text, text, text) returns text language sql immutable
    as 'select regexp_replace($1, $2, $3, ''g'')';
create function datediff(text, timestamptz, timestamptz) returns bigint language sql immutable
    as 'select (extract(epoch from $3 - $2) * 1000000)::bigint';
create function datediff(text, date, date) returns bigint language sql immutable
    as 'select ($3 - $2)::bigint';
"""
"""Types and functions of Redshift that PostgreSQL does not have."""


@contextmanager
def redshift(folder: Path) -> Iterator[StandIn]:
    """A PostgreSQL that sorts by bytes, as Redshift does, behind dlt's redshift destination."""
    execute_query = RedshiftSqlClient.execute_query

    def execute_here(client: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(query, str):
            for theirs, ours in OTHERWISE:
                query = re.sub(theirs, ours, query)
        return execute_query(client, query, *args, **kwargs)

    with serving() as server, pytest.MonkeyPatch.context() as patch:
        options = "template template0 locale_provider libc locale 'C'"
        server.rows("postgres", f"create database it {options}")
        # there a backslash in a text escapes, as in the PostgreSQL that Redshift comes from
        server.rows("it", "alter database it set standard_conforming_strings = off")
        server.rows("it", "alter database it set escape_string_warning = off")
        server.rows("it", LACKING)
        patch.setenv("DESTINATION__REDSHIFT__CREDENTIALS", server.url("it"))
        patch.setattr(RedshiftSqlClient, "execute_query", execute_here)
        yield StandIn(
            lambda api: sync_to(api, folder, "redshift").as_json(),
            lambda queries: {name: server.rows("it", sql) for name, sql in queries.items()},
            draws=True,
        )


@contextmanager
def clickhouse(folder: Path) -> Iterator[StandIn]:
    """The engine in the process of each sync, behind dlt's clickhouse destination."""
    script = str(Path(__file__).with_name("clickhouse_in_process.py"))
    credentials = "clickhouse://user:password-of-the-tests@127.0.0.1:1/it?http_port=1&secure=0"

    def sync(api: Any) -> Json:
        options = ("sync", "--audit-pages", "0", "--json")
        summary: Json = json.loads(run_there(*options, **access(api)))
        return summary

    def run_there(*arguments: str, **environ: str) -> str:
        environ |= {"DESTINATION__CLICKHOUSE__CREDENTIALS": credentials}
        environ["TELNYX_JOBS_DESTINATION"] = "clickhouse"
        return in_environment(folder, script, "store", *arguments, **environ)

    def read(queries: Mapping[str, str]) -> Mapping[str, list[Row]]:
        (folder / "queries").write_bytes(pickle.dumps(dict(queries)))
        in_environment(folder, script, "store", "read", "queries", "rows")
        found: dict[str, list[Row]] = pickle.loads((folder / "rows").read_bytes())
        return found

    yield StandIn(sync, read, "`it`.`{}___{}`".format, run=run_there)


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@contextmanager
def bigquery(folder: Path) -> Iterator[StandIn]:
    """bqemulator's server, and Google's own client in dlt's destination.

    Each sync has a folder of its own, so that it knows of the earlier ones by BigQuery alone.
    """
    script, server_script = (
        str(Path(__file__).with_name(f"{name}.py"))
        for name in ("bigquery_in_emulator", "bqemulator_server")
    )
    port, homes = free_port(), itertools.count()
    prefix = "DESTINATION__BIGQUERY__CREDENTIALS__"
    credentials = {
        "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{port}",
        f"{prefix}PROJECT_ID": "project-it",
        f"{prefix}PRIVATE_KEY": "key-of-the-tests",
        f"{prefix}CLIENT_EMAIL": "loader@example.com",
    }

    def sync(api: Any) -> Json:
        options = ("sync", "--audit-pages", "0", "--json")
        summary: Json = json.loads(run_there(*options, **access(api)))
        return summary

    def run_there(*arguments: str, **environ: str) -> str:
        home = folder / f"run-{next(homes)}"
        home.mkdir()
        environ |= credentials | {"TELNYX_JOBS_DESTINATION": "bigquery"}
        return in_environment(home, script, *arguments, **environ)

    def read(queries: Mapping[str, str]) -> Mapping[str, list[Row]]:
        (folder / "queries").write_bytes(pickle.dumps(dict(queries)))
        in_environment(folder, "-c", READ_BIGQUERY, "queries", "rows", **credentials)
        found: dict[str, list[Row]] = pickle.loads((folder / "rows").read_bytes())
        return found

    command = [str(python_of("bqemulator")), server_script, port, free_port()]
    with (folder / "server.log").open("wb") as log:
        environ = environment(folder) | {"HOME": str(folder)}
        server = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        in_environment(folder, "-c", WAIT, port)
        # a sync takes it half a minute
        yield StandIn(sync, read, syncs=(0, 2), run=run_there)
    finally:
        server.terminate()
        server.wait()


@contextmanager
def snowflake(folder: Path) -> Iterator[StandIn]:
    """fakesnow's server, and Snowflake's own connector in dlt's destination."""
    script = str(Path(__file__).with_name("snowflake_in_emulator.py"))
    port = free_port()
    credentials = f"host=127.0.0.1&port={port}&protocol=http"
    credentials = f"snowflake://user:password-of-the-tests@fakesnow/IT?{credentials}"

    def sync(api: Any) -> Json:
        options = ("sync", "--audit-pages", "0", "--json")
        summary: Json = json.loads(run_there(*options, **access(api)))
        return summary

    def run_there(*arguments: str, **environ: str) -> str:
        environ |= {"DESTINATION__SNOWFLAKE__CREDENTIALS": credentials}
        environ["TELNYX_JOBS_DESTINATION"] = "snowflake"
        return in_environment(folder, script, *arguments, **environ)

    def read(queries: Mapping[str, str]) -> Mapping[str, list[Row]]:
        (folder / "queries").write_bytes(pickle.dumps(dict(queries)))
        in_environment(folder, "-c", READ_SNOWFLAKE, str(port), "queries", "rows")
        found: dict[str, list[Row]] = pickle.loads((folder / "rows").read_bytes())
        return found

    command = [str(python_of("fakesnow")), "-m", "fakesnow", "--server", "--port", str(port)]
    log = (folder / "server.log").open("wb")
    server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        in_environment(folder, "-c", CREATE_DATABASE, str(port))
        yield StandIn(sync, read, lambda schema, name: f"{schema}.{name}".upper(), run=run_there)
    finally:
        server.kill()
        server.wait()
        log.close()


WAIT = """
import socket, sys, time

while True:
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        break
    except OSError:
        time.sleep(0.1)
"""
CREATE_DATABASE = f"""{WAIT}
import snowflake.connector

with snowflake.connector.connect(
    user="it", password="it", account="it", host="127.0.0.1", port=sys.argv[1], protocol="http"
) as connection:
    connection.cursor().execute("create database it")
"""
READ_SNOWFLAKE = """
import pickle, sys
import snowflake.connector

with snowflake.connector.connect(
    user="it", password="it", account="it", host="127.0.0.1", port=sys.argv[1], protocol="http",
    database="IT", schema="TELNYX_RAW", timezone="UTC",
) as connection:
    found = {}
    cursor = connection.cursor()
    with open(sys.argv[2], "rb") as file:
        asked = pickle.load(file)
    for name, sql in asked.items():
        found[name] = cursor.execute(sql).fetchall()
with open(sys.argv[3], "wb") as file:
    pickle.dump(found, file)
"""
READ_BIGQUERY = """
import pickle, sys
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

client = bigquery.Client("project-it", credentials=AnonymousCredentials())
with open(sys.argv[1], "rb") as file:
    asked = pickle.load(file)
found = {
    name: [tuple(row.values()) for row in client.query(sql).result()]
    for name, sql in asked.items()
}
with open(sys.argv[2], "wb") as file:
    pickle.dump(found, file)
"""
STAND_INS = {
    "bigquery": bigquery,
    "clickhouse": clickhouse,
    "motherduck": motherduck,
    "redshift": redshift,
    "snowflake": snowflake,
}


@dataclass(frozen=True)
class Synced:
    """One history in the file and in a stand-in: summaries and rows of both, by relation."""

    summaries: list[tuple[Json, Json]]
    types: dict[str, dict[str, str]]
    found: Mapping[str, list[Row]]
    expected: Mapping[str, list[Row]]
    answers: Mapping[str, tuple[str, str]]
    """What commands print of the file and of it, where these can be run."""


@pytest.fixture(scope="module", params=STAND_INS)
def synced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Synced:
    folder = tmp_path_factory.mktemp(request.param)
    database = folder / "jobs.duckdb"
    summaries, types, answers = [], {}, {}
    with STAND_INS[request.param](folder) as stand_in:
        changing = list(histories())
        for number in stand_in.syncs:
            with api_of(changing[number]) as api:
                of_file = sync_to(api, folder, "duckdb").as_json()
                summaries.append((of_file, stand_in.sync(api)))
                # after the last one
                if stand_in.run and number == stand_in.syncs[-1]:
                    answers = dict(answers_of(folder, api, stand_in))
                if stand_in.draws and number == stand_in.syncs[-1]:
                    answers["page"] = page_of(folder, api), page_of(folder, api, request.param)
        queries, expected = {}, {}
        for schema, name in RELATIONS:
            left_out = OF_EACH_RUN.get(name, set())
            described = rows(database, f"describe {schema}.{name}")
            kept = {n: t for n, t, *_ in described if n not in left_out and n[:4] != "_dlt"}
            relation = f"{schema}.{name}"
            types[relation] = kept
            marks = [f"{each} is null as {each}_missing" for each in times(kept)]
            listed = ", ".join([*kept, *marks])
            queries[relation] = f"select {listed} from {stand_in.named(schema, name)}"
            expected[relation] = rows(database, f"select {', '.join(kept)} from {relation}")
        found = stand_in.read(queries)
    read = {name: [without_marks(types[name], row) for row in found[name]] for name in types}
    return Synced(summaries, types, read, expected, answers)


COUNTED = "outcome, count(*) as operation_count, max(error_count) as most_errors"
"""Of the operations, whose name takes the place of the braces below."""
COMMANDS = {
    "report": ["report"],
    "worklist": ["worklist", "--format", "json"],
    "query": ["query", "job_phone_numbers", "--format", "json"],
    "sql": ["query", f"select {COUNTED} from {{}} group by outcome", "--format", "json"],
    "status": ["status", "--json"],
    "metrics": ["status", "--prometheus"],
    "verify": ["verify", "--json", "--sample", "5"],
}


def answers_of(folder: Path, api: Any, stand_in: StandIn) -> Iterator[tuple[str, tuple[str, str]]]:
    """What each command prints of the file, and of the warehouse."""
    assert stand_in.run
    names = "telnyx.job_operations", stand_in.named("telnyx", "job_operations")
    for name, arguments in COMMANDS.items():
        for_file, for_it = ([each.format(named) for each in arguments] for named in names)
        of_file = run(folder, *for_file, "--database", "jobs.duckdb", environ=access(api))
        assert of_file.returncode == 0, of_file.stderr
        yield name, (of_file.stdout, stand_in.run(*for_it, **access(api)))


def page_of(folder: Path, api: Any, target: str = "duckdb") -> str:
    """The page that `report --html` writes."""
    page = folder / f"{target}.html"
    found = read_report(destination_for(settings_for(api, folder, target)), datetime.now(UTC))
    write_html(found, page)
    return page.read_text(encoding="utf-8")


def times(types: Mapping[str, str]) -> list[str]:
    """Columns of times and days: fakesnow sends one that is NULL as 1970."""
    return [name for name, type_ in types.items() if "TIME" in type_ or type_ == "DATE"]


def without_marks(types: Mapping[str, str], row: Row) -> Row:
    """The row without the marks at its end of the times that are NULL."""
    values = dict(zip(types, row, strict=False))
    for name, is_missing in zip(times(types), row[len(types) :], strict=True):
        values[name] = None if is_missing else values[name]
    return tuple(values.values())


@pytest.mark.parametrize("relation", [".".join(each) for each in RELATIONS])
def test_every_table_and_view_is_that_of_the_file(relation: str, synced: Synced) -> None:
    """After several syncs of a changing account, row for row the same."""
    types = synced.types[relation]
    assert synced.expected[relation]
    assert_same(
        [in_types(types, row) for row in synced.found[relation]],
        [in_types(types, row) for row in synced.expected[relation]],
    )


def test_requests_and_counts_are_those_of_the_file(synced: Synced) -> None:
    """Each sync has as many requests, written rows and new failures as the file's.

    It runs every data test before it commits, and ends with an error if one does not hold.
    """
    own = OF_EACH_RUN["sync_runs"]
    for summaries in synced.summaries:
        of_file, found = ({n: v for n, v in each.items() if n not in own} for each in summaries)
        assert found == of_file


# motherduck and redshift are DuckDB and PostgreSQL here, where other tests run the commands
@pytest.mark.parametrize("synced", ["bigquery", "clickhouse", "snowflake"], indirect=True)
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_print_what_they_print_of_the_file(command: str, synced: Synced) -> None:
    """Reports, lists and comparisons with the API are the same, but for names, times and order."""
    of_file, found = synced.answers[command]
    assert plain(command, found) == plain(command, of_file)


@pytest.mark.parametrize("synced", ["redshift"], indirect=True)
def test_the_page_is_that_of_the_file(synced: Synced) -> None:
    """`report --html` writes the same tables and the same charts, but for name and times."""
    # the charts of one process count their clip paths on
    of_file, found = (re.sub(r"\bclip\d+", "clip", page) for page in synced.answers["page"])
    assert found.count("<td") > 100
    assert plain("page", found) == plain("page", of_file)


def plain(command: str, text: str) -> Any:
    """What is printed, without the name of the place and the times of its own syncs."""
    if command == "status":
        kept = ("open_jobs", "overdue_jobs")
        status = json.loads(text)
        assert status["history_read_since"]
        return {name: status[name] for name in kept}
    if command in ("query", "sql", "worklist", "verify"):
        # Snowflake's names are in capitals
        found = [{name.lower(): v for name, v in each.items()} for each in json.loads(text)]
        return sorted(json.dumps(each, sort_keys=True) for each in found)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line for line in lines if not re.search(OF_THE_PLACE, line)]


OF_THE_PLACE = r"jobs\.duckdb|telnyx_raw|^(<p>)?Synced |telnyx_jobs_(last|pending|file|published)"
