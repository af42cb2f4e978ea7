"""Delta Lake exports, read back at the versions that belong together by three other readers."""

import json
import os
from pathlib import Path

import polars
import pyarrow.parquet
import pytest

from engines.environments import python_of
from support.exported_history import OF_NOW, VIEWS, assert_same
from support.lake import (
    State,
    changing_history,
    column_names,
    newest,
    read_elsewhere,
    state_of,
)
from support.syncs import rows
from telnyx_jobs.export.delta import VERSIONS, export
from telnyx_jobs.schema import TABLES

DUCKDB = """
import json, os, sys
import duckdb, duckdb_extension_delta

root, out, versions, columns = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:])
folder = os.path.dirname(duckdb_extension_delta.__file__)
connection = duckdb.connect()
connection.execute(f"load '{folder}/extensions/v{duckdb.__version__}/delta.duckdb_extension'")
connection.execute("set TimeZone = 'UTC'")
for version in versions:
    os.mkdir(f"{out}/{version}")

    def copy(table, number):
        connection.execute(f"attach '{root}/tables/{table}' as it (type delta, version {number})")
        listed = ", ".join(columns[table])
        connection.execute(f"copy (select {listed} from it) to '{out}/{version}/{table}.parquet'")
        named = "select table_versions from it where table_versions is not null"
        found = connection.sql(named).fetchall() if table == "sync_runs" else None
        connection.execute("detach it")
        return found

    ((named,),) = copy("sync_runs", version)
    for table, number in json.loads(named).items():
        copy(table, number)
"""

SAIL = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
import pyarrow.parquet
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

root, out, versions, columns = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:])
server = SparkConnectServer()
server.start(background=True)
spark = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
spark.conf.set("spark.sql.session.timeZone", "UTC")
for version in versions:
    os.mkdir(f"{out}/{version}")

    def copy(table, number):
        read = spark.read.format("delta").option("versionAsOf", str(number))
        found = read.load(f"{root}/tables/{table}")
        rows = found.select(*columns[table]).toArrow()
        pyarrow.parquet.write_table(rows, f"{out}/{version}/{table}.parquet")
        return found

    named = copy("sync_runs", version).where("table_versions is not null").toArrow()
    for table, number in json.loads(named["table_versions"][0].as_py()).items():
        copy(table, number)

views = sorted(os.listdir(f"{root}/views"))
for script in ["tables.sql", *(f"views/{view}" for view in views)]:
    text = open(f"{root}/{script}").read().replace("${telnyx_jobs_export}", root)
    for statement in text.rstrip().removesuffix(";").split(";\\n"):
        spark.sql(statement)
os.mkdir(f"{out}/views")
for name in views:
    view = name.partition("_")[2].removesuffix(".sql")
    rows = spark.table(f"telnyx.{view}").toArrow()
    pyarrow.parquet.write_table(rows, f"{out}/views/{view}.parquet")
# the server has no other end
os._exit(0)
"""
"""Reads like the others; then runs the export's scripts, and writes the rows of each view."""


Exports = tuple[str, list[int], list[State], Path]
"""Address of five exports, their versions of sync_runs, the states of the file, and the file."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """A history that changes between five exports into one folder."""
    folder = tmp_path_factory.mktemp("lake")
    database, root = folder / "telnyx_jobs.duckdb", folder / "export"
    versions, states = [], []
    for _ in changing_history(database):
        export(database, root, "it")
        versions.append(newest(str(root)))
        states.append(state_of(database))
    return str(root), versions, states, database


@pytest.fixture(scope="module")
def in_sail(
    exported: Exports, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[State], Path]:
    """What Sail reads of each state, and the folder with what it gives for each view."""
    out = tmp_path_factory.mktemp("sail")
    root, versions, *_ = exported
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return read_elsewhere(python_of("sail"), SAIL, root, out, versions, **environ), out / "views"


def test_polars_reads_each_of_five_states(exported: Exports) -> None:
    """At the versions that sync_runs names, polars finds the rows of the file as it was then."""
    root, versions, states, _ = exported
    assert_same_states(read_by_polars(root, versions), states)


def test_duckdb_reads_each_of_five_states(exported: Exports, tmp_path: Path) -> None:
    """At the versions that sync_runs names, DuckDB's extension finds the rows of the file then."""
    root, versions, states, _ = exported
    read = read_elsewhere(python_of("duckdb-delta"), DUCKDB, root, tmp_path, versions)
    assert_same_states(read, states)


def test_sail_reads_each_of_five_states(
    exported: Exports, in_sail: tuple[list[State], Path]
) -> None:
    """At the versions that sync_runs names, Sail finds the rows of the file as it was then."""
    assert_same_states(in_sail[0], exported[2])


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_gives_in_sail_what_it_gives_in_duckdb(
    view: str, exported: Exports, in_sail: tuple[list[State], Path]
) -> None:
    """The export's scripts give Sail each view with the rows that it has in the file."""
    there = pyarrow.parquet.read_table(in_sail[1] / f"{view}.parquet")
    database = exported[3]
    names = [name for (name, *_) in rows(database, f"describe telnyx.{view}")]
    assert there.column_names == names
    kept = [name for name in names if name not in OF_NOW.get(view, set())]
    expected = rows(database, f"select {', '.join(kept)} from telnyx.{view}")
    found = [tuple(row.values()) for row in there.select(kept).to_pylist()]
    assert_same(found, expected)


def read_by_polars(root: str, versions: list[int]) -> list[State]:
    """The state that belongs to each version of sync_runs."""

    def scan(table: str, version: int) -> polars.DataFrame:
        return polars.scan_delta(f"{root}/tables/{table}", version=version).collect()

    states = []
    for version in versions:
        (named,) = scan("sync_runs", version)[VERSIONS].drop_nulls().to_list()
        numbers = json.loads(named) | {"sync_runs": version}
        states.append({t: scan(t, n).select(column_names(t)).rows() for t, n in numbers.items()})
    return states


def assert_same_states(found: list[State], expected: list[State]) -> None:
    assert len(found) == len(expected) == 5
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys() == {table.name for table in TABLES}
        for name in other:
            assert_same(one[name], other[name])
