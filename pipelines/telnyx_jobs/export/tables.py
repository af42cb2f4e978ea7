"""The published file as plain Parquet files, and the views as Spark SQL.

    tables/jobs/month=2026-11/<export id>_0.parquet  a table, by the UTC month its jobs began in
    tables/sync_runs/<export id>_0.parquet           a table whose rows belong to no job
    tables.sql, views/1_jobs.sql, …                  the same names in Spark, in order of creation
    README.md, export.json                           how to open it; what is in it

Its files carry its id in their names, so a query that still reads a replaced export fails instead
of mixing the two.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from telnyx_jobs.destinations.duckdb_connection import connect
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.export.scripts import exported_columns, is_partitioned, readme, spark_tables
from telnyx_jobs.progress import Report
from telnyx_jobs.quoting import literal
from telnyx_jobs.schema import JOBS, RAW_SCHEMA, TABLES, Table
from telnyx_jobs.views.dialects import spark_views

MANIFEST = "export.json"
NO_MONTH = "unknown"
MEMORY = "1GB"
"""The memory that DuckDB may use for an export."""
_ROWS_PER_FLUSH = 122_880
"""Rows kept in memory per month and thread before they are written: one row group."""


@dataclass(frozen=True)
class TableWritten:
    """What an export holds of one table, and how much of that it wrote. `version` is Delta's."""

    rows: int
    files: int
    bytes: int
    bytes_written: int
    version: int | None = None


@dataclass(frozen=True)
class Exported:
    """What an export holds. `views` are their files, in order of creation."""

    export_id: str
    tables: dict[str, TableWritten]
    views: list[str]

    def as_json(self) -> dict[str, Any]:
        totals = {
            name: sum(getattr(table, name) for table in self.tables.values())
            for name in ("rows", "files", "bytes", "bytes_written")
        }
        return asdict(self) | totals


def refuse_missing(database: Path) -> None:
    """Raises BadConfiguration without a published file."""
    if not database.exists():
        raise BadConfiguration(f"{database} does not exist: run sync first")


def write(database: Path, part: Path, export_id: str, report: Report) -> Exported:
    """Write a whole export into the part folder.

    Raises OSError and duckdb.IOException if it cannot be written, and BadConfiguration.
    """
    tables = {}
    with connect(database, read_only=True) as connection:
        connection.execute(f"set temp_directory = {literal(str(part / 'spill'))}")
        # memory does not grow with the file: what does not fit is spilled
        connection.execute(f"set memory_limit = '{MEMORY}'")
        # rows need no order: each has its key
        connection.execute("set preserve_insertion_order = false")
        connection.execute(f"set partitioned_write_flush_threshold = {_ROWS_PER_FLUSH}")
        for table in TABLES:
            report("table", name=table.name)
            tables[table.name] = _write_table(connection, table, part / "tables", export_id)
    shutil.rmtree(part / "spill", ignore_errors=True)
    views = spark_views()
    (part / "views").mkdir()
    for name, sql in views.items():
        (part / "views" / f"{name}.sql").write_text(sql, encoding="utf-8")
    (part / "tables.sql").write_text(spark_tables(), encoding="utf-8")
    (part / "README.md").write_text(readme("parquet"), encoding="utf-8")
    exported = Exported(export_id, tables, list(views))
    (part / MANIFEST).write_text(json.dumps(exported.as_json(), indent=2) + "\n")
    return exported


def selected(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyRelation:
    """The rows of a query. Raises BadConfiguration for a file of an earlier version."""
    try:
        return connection.sql(query)
    except (duckdb.BinderException, duckdb.CatalogException):
        raise BadConfiguration(
            "the database lacks tables that this version knows: run sync first"
        ) from None


def _write_table(
    connection: duckdb.DuckDBPyConnection, table: Table, tables: Path, export_id: str
) -> TableWritten:
    """One table as Parquet files; a table without rows as one file without rows."""
    folder = tables / table.name
    folder.mkdir(parents=True)
    rows = 0
    if is_partitioned(table):
        options = f"partition_by (month), filename_pattern '{export_id}_{{i}}'"
        rows = _copy(connection, select(table, with_month=True), folder, options)
    if not rows:
        target = folder / f"month={NO_MONTH}" if is_partitioned(table) else folder
        target.mkdir(exist_ok=True)
        rows = _copy(connection, select(table), target / f"{export_id}_0.parquet")
    sizes = [path.stat().st_size for path in folder.rglob("*.parquet")]
    return TableWritten(rows, len(sizes), sum(sizes), sum(sizes))


def _copy(connection: duckdb.DuckDBPyConnection, query: str, target: Path, *options: str) -> int:
    """Write the rows of a query; returns their number."""
    given = ", ".join(("format parquet", "compression zstd", *options))
    selected(connection, query)
    done = connection.execute(f"copy ({query}) to {literal(str(target))} ({given})")
    ((rows,),) = done.fetchall()
    return int(rows)


def select(table: Table, *, with_month: bool = False) -> str:
    """The rows of a table without technical columns, JSON as text; on request with the month."""
    columns = [
        f't."{column.name}"::varchar as "{column.name}"'
        if column.type == "json"
        else f't."{column.name}"'
        for column in exported_columns(table)
    ]
    source = f"{RAW_SCHEMA}.{table.name} as t"
    if with_month:
        owner = "t"
        if table is not JOBS:
            owner = "job"
            source += f" left join {RAW_SCHEMA}.{JOBS.name} as job on t.job_id = job.id"
        columns.append(
            f"coalesce(strftime({owner}.created_at at time zone 'UTC', '%Y-%m'), '{NO_MONTH}') "
            "as month"
        )
    return f"select {', '.join(columns)} from {source}"


def reason(error: Exception) -> str:
    """Why something could not be written, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0]
