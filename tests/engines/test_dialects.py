"""The views and data tests in the SQL of warehouses, run by the engine or by an emulator of it.

docs/warehouses.md has the counts.
"""

from pathlib import Path
from typing import Any

import pytest

from engines.dialect_runs import Runs
from support.exported_history import HOSTILE, VIEWS, assert_same
from support.syncs import api_of, sync_once
from telnyx_jobs.views.files import data_test_texts

COMMON = r"""
import datetime, os, pathlib, pickle, socket, subprocess, sys, time

out = sys.argv[1]
with open(f"{out}/work.pickle", "rb") as file:
    work = pickle.load(file)

def run_all(statement, query):
    # what the engine gives for each view and data test, or why it gives nothing
    found = {}
    for name, statements in work["views"].items():
        try:
            for each in statements:
                statement(each)
            found[name] = query(work["selects"][name], work["times"][name])
        except Exception as error:
            found[name] = str(error)
    for name, sql in work["tests"].items():
        try:
            found[f"test {name}"] = query(sql, [])
        except Exception as error:
            found[f"test {name}"] = str(error)
    with open(f"{out}/found.pickle", "wb") as file:
        pickle.dump(found, file)
"""

CHDB = r"""
import pyarrow, pyarrow.parquet
from chdb.session import Session

session = Session()
session.query("create database it")
for table, target in work["tables"].items():
    columns = ", ".join(f"`{name}` {type_}" for name, type_ in work["columns"][table])
    session.query(f"create table {target} ({columns}) engine = MergeTree order by tuple()")
    names = ", ".join(f"`{name}`" for name, _ in work["columns"][table])
    rows = f"select {names} from file('{out}/{table}.parquet', Parquet)"
    session.query(f"insert into {target} ({names}) {rows}")

def query(sql, times):
    read = pyarrow.BufferReader(session.query(sql, "Parquet").bytes())
    table = pyarrow.parquet.read_table(read)
    return table.column_names, [tuple(row.values()) for row in table.to_pylist()]

run_all(session.query, query)
"""

FAKESNOW = r"""
import fakesnow, snowflake.connector

MARKS = {"variant": "parse_json(%s)", "timestamp_tz": "%s::timestamp_tz"}

with fakesnow.server() as arguments, snowflake.connector.connect(**arguments) as connection:
    cursor = connection.cursor()
    for sql in ("database it", 'schema it."TELNYX_RAW"', 'schema it."TELNYX"'):
        cursor.execute(f"create {sql}")
    cursor.execute("use database it")
    for table, target in work["tables"].items():
        described = work["columns"][table]
        columns = ", ".join(f'"{name.upper()}" {type_}' for name, type_ in described)
        cursor.execute(f"create table {target} ({columns})")
        marks = ", ".join(MARKS.get(type_, "%s") for _, type_ in described)
        for row in work["rows"][table]:
            row = [v.isoformat() if isinstance(v, datetime.datetime) else v for v in row]
            cursor.execute(f"insert into {target} select {marks}", row)

    def query(sql, times):
        # its server sends a time or a day that is NULL as 1970
        marks = "".join(f', "{time.upper()}" is null' for time in times)
        cursor.execute(sql.replace("*", "*" + marks, 1) if times else sql)
        names = [each[0].lower() for each in cursor.description]
        names = names[: len(names) - len(times)]
        places = {names.index(time): len(names) + n for n, time in enumerate(times)}
        return names, [
            tuple(
                None if place in places and row[places[place]] else value
                for place, value in enumerate(row[: len(names)])
            )
            for row in cursor.fetchall()
        ]

    run_all(cursor.execute, query)
# its server has no other end
os._exit(0)
"""

SERVER = f"SERVER = {str(Path(__file__).with_name('bqemulator_server.py'))!r}\n"
BQEMULATOR = r"""
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]

rest, grpc = str(free_port()), str(free_port())
command = [sys.executable, SERVER, rest, grpc]
log = open(f"{out}/server.log", "wb")
server = subprocess.Popen(command, stdout=log, stderr=log)
try:
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", int(rest)), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    options = ClientOptions(api_endpoint=f"http://127.0.0.1:{rest}")
    client = bigquery.Client("it", credentials=AnonymousCredentials(), client_options=options)
    for schema in ("telnyx_raw", "telnyx"):
        client.create_dataset(schema)

    def statement(sql):
        return client.query(sql).result()

    def query(sql, times):
        found = statement(sql)
        return [field.name for field in found.schema], [tuple(row.values()) for row in found]

    for table, target in work["tables"].items():
        described = work["columns"][table]
        columns = ", ".join(f"`{name}` {type_}" for name, type_ in described)
        statement(f"create table {target} ({columns})")
        rows = [
            {
                name: value.isoformat() if isinstance(value, datetime.datetime) else value
                for (name, _), value in zip(described, row)
            }
            for row in work["rows"][table]
        ]
        assert not rows or not client.insert_rows_json(f"it.telnyx_raw.{table}", rows)
    run_all(statement, query)
finally:
    server.terminate()
    server.wait()
"""

ENGINES: dict[str, tuple[Any, ...]] = {
    "clickhouse": ("chdb", CHDB, lambda schema, name: f"`it`.`{schema}___{name}`"),
    "snowflake": (
        *("fakesnow", FAKESNOW),
        lambda schema, name: f'"{schema.upper()}"."{name.upper()}"',
    ),
    "bigquery": ("bqemulator", SERVER + BQEMULATOR, lambda schema, name: f"`{schema}`.`{name}`"),
}
"""By dialect the environment, the script, and the naming."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the hostile jobs, and a rejected record."""
    path = tmp_path_factory.mktemp("history") / "telnyx_jobs.duckdb"
    with api_of([*HOSTILE, {"id": 1}]) as api:
        sync_once(api, path)
    return path


@pytest.fixture(scope="module", params=ENGINES)
def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def runs(dialect: str, database: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """What the engine of a dialect gives."""
    environment, script, naming = ENGINES[dialect]
    out = tmp_path_factory.mktemp(dialect)
    return Runs(dialect, environment, COMMON + script, naming, database, out)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_gives_what_it_gives_in_duckdb(view: str, runs: Runs) -> None:
    """Row for row the same."""
    found, expected = runs.view(view)
    assert found.rows is not None, found.error
    assert_same(found.rows, expected)


@pytest.mark.parametrize("name", data_test_texts())
def test_every_data_test_holds(name: str, runs: Runs) -> None:
    """Each runs and gives no row."""
    found = runs.test(name)
    assert found.rows == [], found.error
