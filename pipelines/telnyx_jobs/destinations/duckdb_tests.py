"""The data tests of `sql/tests` on a DuckDB file: on all of it, or on what a sync has changed.

A small change of a large file is tested by itself: its rows and the views, in memory. The other
rows are those of the published file, which were tested when they changed. The totals of all rows
are compared every time, and the first sync of a UTC day tests the whole file, as `verify` does.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from telnyx_jobs.destinations.answer import Rows
from telnyx_jobs.destinations.duckdb_connection import has_view, lift_memory_limit
from telnyx_jobs.destinations.duckdb_query import answer
from telnyx_jobs.destinations.duckdb_tables import STAGING_SCHEMA
from telnyx_jobs.quoting import identifier
from telnyx_jobs.schema import COUNTS, JOBS, RAW_SCHEMA, SYNC_RUNS, TABLES, VIEW_SCHEMA, Table
from telnyx_jobs.version import __version__
from telnyx_jobs.views.files import data_test_texts, tested_statements

Failed = dict[str, list[tuple[Any, ...]]]
"""Wrong rows, five at most, by the data test that finds them."""

_FEW_ROWS = 200_000
"""Up to so many rows are tested by themselves."""
_TOTALS = "__rows_add_up"
"""How the names of the tests end that compare the totals of the whole file."""
_CHANGED = '"changed.jobs"'
"""A database in memory. No file's database has a dot in its name."""


class FileReader:
    """Reads a published file. A `Reader`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, list(parameters)).fetchall()

    def failed_tests(self) -> Failed:
        return failed_tests(self.connection)

    def has_view(self, name: str) -> bool:
        return has_view(self.connection, name)

    def has_table(self, table: Table) -> bool:
        names = ", ".join(map(identifier, table.column_names))
        try:
            self.connection.execute(f"select {names} from {RAW_SCHEMA}.{table.name} limit 0")
        except (duckdb.CatalogException, duckdb.BinderException):
            return False
        return True

    def answer(self, sql: str) -> Rows:
        return answer(self.connection, sql)

    def interrupt(self) -> None:
        self.connection.interrupt()


def failed_tests(connection: duckdb.DuckDBPyConnection, ending: str = "") -> Failed:
    """What the data tests find in the whole file; only those whose name ends so."""
    failed = {}
    for name, sql in data_test_texts().items():
        if not name.endswith(ending):
            continue
        try:
            rows = connection.execute(sql).fetchmany(5)
        except duckdb.OutOfMemoryException:
            lift_memory_limit(connection)
            rows = connection.execute(sql).fetchmany(5)
        if rows:
            failed[name] = rows
    return failed


def failed_tests_of(connection: duckdb.DuckDBPyConnection, job_ids: list[str]) -> Failed:
    """What the data tests find in the rows of these jobs, and in the totals of the whole file."""
    failed = failed_tests(connection, _TOTALS)
    if not job_ids:
        return failed
    ((database,),) = connection.execute("select current_database()").fetchall()
    quoted = identifier(database)
    connection.execute(f"attach ':memory:' as {_CHANGED}")
    connection.execute(f"use {_CHANGED}")
    try:
        connection.execute(f"create schema {RAW_SCHEMA}")
        for table in TABLES:
            columns = ", ".join(map(identifier, table.column_names))
            source = f"{quoted}.{RAW_SCHEMA}.{table.name}"
            key = "id" if table is JOBS else "job_id"
            chosen = "false" if table is SYNC_RUNS else f"{key} in (from ids)"
            # by row id, so that only the key of all other rows is read
            connection.execute(
                f"create table {RAW_SCHEMA}.{table.name} as "
                "with ids as (select unnest(?::varchar[])) "
                f"select {columns} from {source} "
                f"where rowid in (select rowid from {source} where {chosen})",
                [job_ids],
            )
        connection.execute(f"create schema {VIEW_SCHEMA}")
        for sql in tested_statements():
            connection.execute(sql)
        return failed | failed_tests(connection)
    finally:
        connection.execute(f"use {quoted}")
        connection.execute(f"detach {_CHANGED}")


def jobs_to_test(connection: duckdb.DuckDBPyConnection) -> list[str] | None:
    """The jobs that dlt has just loaded, if it is enough to test them; else None."""
    tables = connection.execute(
        "select 1 from duckdb_tables() where database_name = current_database() "
        "and schema_name = ? and table_name = ?",
        [STAGING_SCHEMA, JOBS.name],
    ).fetchall()
    if not tables or not _is_tested_today(connection):
        return None
    rows = " + ".join(f"coalesce({column.name}, 0)" for column in COUNTS)
    staged = f"select id from {STAGING_SCHEMA}.{JOBS.name}"
    changed = connection.execute(
        f"select id, 1 + {rows} from {RAW_SCHEMA}.{JOBS.name} where id in ({staged})"
    ).fetchall()
    is_small = sum(count for _, count in changed) <= _FEW_ROWS
    return [job_id for job_id, _ in changed] if is_small else None


def _is_tested_today(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether this version has published here today (UTC): its first sync tested everything."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return bool(
        connection.execute(
            f"select 1 from {RAW_SCHEMA}.{SYNC_RUNS.name} "
            "where version = ? and started_at >= ? and started_at < ? limit 1",
            [__version__, today, today + timedelta(days=1)],
        ).fetchall()
    )
