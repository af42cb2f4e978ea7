"""What stands in for each warehouse: an engine or an emulator, and how it is synced and read.

docs/warehouses.md lists what each one lacks.
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
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dlt.destinations.impl.motherduck.configuration import MotherDuckCredentials
from dlt.destinations.impl.redshift.redshift import RedshiftSqlClient

from engines.environments import in_environment, python_of
from support.exported_history import Row
from support.postgres import serving
from support.syncs import access, environment
from support.warehouse_syncs import sync_to

Json = dict[str, Any]


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


def syncing(run_there: Callable[..., str]) -> Callable[[Any], Json]:
    """Syncs an API by the command line, and returns the summary."""

    def sync(api: Any) -> Json:
        options = ("sync", "--audit-pages", "0", "--json")
        summary: Json = json.loads(run_there(*options, **access(api)))
        return summary

    return sync


def reading(folder: Path, *command: str, **environ: str) -> Callable[..., Mapping[str, list[Row]]]:
    """Runs queries by a script, which takes them from one file and writes rows into another."""

    def read(queries: Mapping[str, str]) -> Mapping[str, list[Row]]:
        (folder / "queries").write_bytes(pickle.dumps(dict(queries)))
        in_environment(folder, *command, "queries", "rows", **environ)
        found: dict[str, list[Row]] = pickle.loads((folder / "rows").read_bytes())
        return found

    return read


@contextmanager
def clickhouse(folder: Path) -> Iterator[StandIn]:
    """The engine in the process of each sync, behind dlt's clickhouse destination."""
    script = str(Path(__file__).with_name("clickhouse_in_process.py"))
    credentials = "clickhouse://user:password-of-the-tests@127.0.0.1:1/it?http_port=1&secure=0"

    def run_there(*arguments: str, **environ: str) -> str:
        environ |= {"DESTINATION__CLICKHOUSE__CREDENTIALS": credentials}
        environ["TELNYX_JOBS_DESTINATION"] = "clickhouse"
        return in_environment(folder, script, "store", *arguments, **environ)

    read = reading(folder, script, "store", "read")
    yield StandIn(syncing(run_there), read, "`it`.`{}___{}`".format, run=run_there)


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

    def run_there(*arguments: str, **environ: str) -> str:
        home = folder / f"run-{next(homes)}"
        home.mkdir()
        environ |= credentials | {"TELNYX_JOBS_DESTINATION": "bigquery"}
        return in_environment(home, script, *arguments, **environ)

    command = [str(python_of("bqemulator")), server_script, port, free_port()]
    with (folder / "server.log").open("wb") as log:
        environ = environment(folder) | {"HOME": str(folder)}
        server = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        in_environment(folder, "-c", WAIT, port)
        # a sync takes it half a minute
        read = reading(folder, "-c", READ_BIGQUERY, **credentials)
        yield StandIn(syncing(run_there), read, syncs=(0, 2), run=run_there)
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

    def run_there(*arguments: str, **environ: str) -> str:
        environ |= {"DESTINATION__SNOWFLAKE__CREDENTIALS": credentials}
        environ["TELNYX_JOBS_DESTINATION"] = "snowflake"
        return in_environment(folder, script, *arguments, **environ)

    command = [str(python_of("fakesnow")), "-m", "fakesnow", "--server", "--port", str(port)]
    log = (folder / "server.log").open("wb")
    server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        in_environment(folder, "-c", CREATE_DATABASE, str(port))
        read = reading(folder, "-c", READ_SNOWFLAKE, str(port))
        sync = syncing(run_there)
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
