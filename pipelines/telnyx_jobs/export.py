"""The published file as a folder for other engines: Parquet files, and the views as Spark SQL.

    tables/jobs/month=2026-11/<export id>_0.parquet  a table, by the UTC month its jobs began in
    tables/sync_runs/<export id>_0.parquet           a table whose rows belong to no job
    tables.sql, views/1_jobs.sql, …                  the same names in Spark, in order of creation
    README.md, export.json                           how to open it; what is in it

An export is written beside its folder and takes its place whole. Its files carry its id in their
names, so that a query which still reads the replaced export fails rather than mixes the two.
"""

import ctypes
import fcntl
import glob
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from telnyx_jobs.dialects import spark_text, spark_views
from telnyx_jobs.errors import BadConfiguration, CannotWrite
from telnyx_jobs.progress import Report, nothing
from telnyx_jobs.schema import JOBS, RAW_SCHEMA, TABLES, VIEW_SCHEMA, Column, Table
from telnyx_jobs.warehouse import connect

MANIFEST = "export.json"
ROOT_VARIABLE = "telnyx_jobs_export"
"""Spark's name for the address of the export, which its `tables.sql` asks for."""
NO_MONTH = "unknown"
_SPARK_TYPES = {
    "text": "STRING",
    "timestamp": "TIMESTAMP",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "json": "STRING",
}
_MEMORY = "1GB"
_ROWS_PER_FLUSH = 122_880
"""What is held back for each month and thread before it is written: one row group."""
_REPLACED = "-replaced"
_SWAP = 2
"""RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS."""
_AT_FDCWD = -100

_README = """\
# Telnyx phone-number jobs, exported

The tables as Parquet in `tables/`, by the UTC month in which a job was created (`month=unknown`
without one); times are UTC instants. `tables.sql` and `views/` give Spark 4.0 or later the names
that the DuckDB file has: tables in `telnyx_raw`, what analysts use in `telnyx`. `export.json`
counts rows, files and bytes.

The next export replaces this folder whole: a query under way then fails for a missing file and can
be run again, in Spark after these scripts.

DuckDB:

    select * from read_parquet('tables/jobs/**/*.parquet', hive_partitioning = true)

polars:

    polars.scan_parquet("tables/jobs", hive_partitioning=True)

Spark, wherever this folder lies (a path, s3a://…):

    from pathlib import Path

    export = Path("this folder").absolute()
    spark.conf.set("telnyx_jobs_export", str(export))
    spark.conf.set("spark.sql.session.timeZone", "UTC")  # shows times in UTC; no figure changes
    for script in [export / "tables.sql", *sorted((export / "views").glob("*.sql"))]:
        for statement in script.read_text().rstrip().removesuffix(";").split(";\\n"):
            spark.sql(statement)
    spark.table("telnyx.failure_rates_by_error_code").show()
"""


@dataclass(frozen=True)
class TableWritten:
    """What an export holds of one table; `bytes` on disk."""

    rows: int
    files: int
    bytes: int


@dataclass(frozen=True)
class Exported:
    """What an export holds. `views` are their files, in order of creation."""

    export_id: str
    tables: dict[str, TableWritten]
    views: list[str]

    def as_json(self) -> dict[str, Any]:
        written = self.tables.values()
        totals = {
            "rows": sum(table.rows for table in written),
            "files": sum(table.files for table in written),
            "bytes": sum(table.bytes for table in written),
        }
        return asdict(self) | totals


def export(database: Path, folder: Path, export_id: str, report: Report = nothing) -> Exported:
    """Write the published file out as the folder, in place of an older export.

    Raises BadConfiguration when the file is missing or the folder holds anything else, and
    CannotWrite.
    """
    folder = folder.resolve()
    if not database.exists():
        raise BadConfiguration(f"{database} is not there: run sync first")
    _refuse_other_content(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _delete_leftovers(folder)
        with _part_of(folder, export_id) as part:
            exported = _write(database, part, export_id, report)
            _hand_over(part)
            _swap_in(part, folder)
    except (OSError, duckdb.IOException) as error:
        raise CannotWrite(
            f"{folder} cannot be written ({_reason(error)}): make room, or give another --to"
        ) from None
    return exported


def spark_tables() -> str:
    """The statements that declare every table over its files, for Spark."""
    statements = [f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in (RAW_SCHEMA, VIEW_SCHEMA)]
    for table in TABLES:
        statements += _spark_table(table)
    return "".join(f"{statement};\n" for statement in statements)


def _refuse_other_content(folder: Path) -> None:
    """Raises BadConfiguration when an export would replace what is no export."""
    try:
        is_free = not folder.exists() or (folder / MANIFEST).is_file() or not any(folder.iterdir())
    except NotADirectoryError:
        is_free = False
    except OSError as error:
        raise CannotWrite(
            f"{folder} cannot be read ({_reason(error)}): give another --to"
        ) from None
    if not is_free:
        raise BadConfiguration(
            f"{folder} holds something other than an export, which would be lost: give another --to"
        )


def _write(database: Path, part: Path, export_id: str, report: Report) -> Exported:
    """Everything that an export consists of, into the part folder."""
    tables = {}
    with connect(database, read_only=True) as connection:
        connection.execute(f"set temp_directory = {_quoted(str(part / 'spill'))}")
        # so that memory does not grow with the file: what does not fit is spilled
        connection.execute(f"set memory_limit = '{_MEMORY}'")
        # rows need no order of their own: each has its key
        connection.execute("set preserve_insertion_order = false")
        connection.execute(f"set partitioned_write_flush_threshold = {_ROWS_PER_FLUSH}")
        for table in TABLES:
            report("table", name=table.name)
            tables[table.name] = _write_table(connection, table, part / "tables", export_id)
    shutil.rmtree(part / "spill", ignore_errors=True)
    views = spark_views()
    (part / "views").mkdir()
    for name, sql in views.items():
        (part / "views" / f"{name}.sql").write_text(f"{sql};\n")
    (part / "tables.sql").write_text(spark_tables())
    (part / "README.md").write_text(_README)
    exported = Exported(export_id, tables, list(views))
    (part / MANIFEST).write_text(json.dumps(exported.as_json(), indent=2) + "\n")
    return exported


def _write_table(
    connection: duckdb.DuckDBPyConnection, table: Table, tables: Path, export_id: str
) -> TableWritten:
    """One table as Parquet files; a table without rows as one file without rows."""
    folder = tables / table.name
    folder.mkdir(parents=True)
    rows = 0
    if _is_partitioned(table):
        options = f"partition_by (month), filename_pattern '{export_id}_{{i}}'"
        rows = _copy(connection, _select(table, with_month=True), folder, options)
    if not rows:
        target = folder / f"month={NO_MONTH}" if _is_partitioned(table) else folder
        target.mkdir(exist_ok=True)
        rows = _copy(connection, _select(table), target / f"{export_id}_0.parquet")
    sizes = [path.stat().st_size for path in folder.rglob("*.parquet")]
    return TableWritten(rows, len(sizes), sum(sizes))


def _copy(connection: duckdb.DuckDBPyConnection, select: str, target: Path, *options: str) -> int:
    """Write the rows of a query; gives their number."""
    given = ", ".join(("format parquet", "compression zstd", *options))
    try:
        done = connection.execute(f"copy ({select}) to {_quoted(str(target))} ({given})")
        ((rows,),) = done.fetchall()
    except (duckdb.BinderException, duckdb.CatalogException):
        raise BadConfiguration(
            "the database lacks tables that this version knows: run sync first"
        ) from None
    return int(rows)


def _select(table: Table, *, with_month: bool = False) -> str:
    """The rows of a table without technical columns, JSON as text; the job's month on request."""
    columns = [
        f't."{column.name}"::varchar as "{column.name}"'
        if column.type == "json"
        else f't."{column.name}"'
        for column in _columns(table)
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


def _columns(table: Table) -> list[Column]:
    return [column for column in table.columns if not column.name.startswith("_dlt")]


def _is_partitioned(table: Table) -> bool:
    """Whether each row belongs to a job, and so to the month of one."""
    return table is JOBS or "job_id" in table.key


def _spark_table(table: Table) -> list[str]:
    """The statements for one table; dropping an external table leaves its files alone."""
    name = f"{RAW_SCHEMA}.{table.name}"
    columns = [
        f"  {column.name} {_SPARK_TYPES[column.type]} COMMENT {spark_text(column.description)}"
        for column in _columns(table)
    ]
    partitions = ""
    if _is_partitioned(table):
        comment = spark_text("UTC month in which the job was created, such as 2026-11.")
        columns.append(f"  month STRING COMMENT {comment}")
        partitions = "PARTITIONED BY (month)\n"
    listed = ",\n".join(columns)
    statements = [
        f"DROP TABLE IF EXISTS {name}",
        f"CREATE TABLE {name} (\n{listed}\n)\nUSING parquet\n{partitions}"
        f"LOCATION '${{{ROOT_VARIABLE}}}/tables/{table.name}'\n"
        f"COMMENT {spark_text(table.description)}",
    ]
    if partitions:
        statements.append(f"ALTER TABLE {name} RECOVER PARTITIONS")
    return statements


@contextmanager
def _part_of(folder: Path, export_id: str) -> Iterator[Path]:
    """A folder beside the export to write into, locked, and deleted in the end.

    What lies there in the end is the replaced export, or what there is of one that failed.
    """
    part = folder.with_name(f".{folder.name}.part-{export_id}")
    part.mkdir(mode=0o700)
    descriptor = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(descriptor)


def _delete_leftovers(folder: Path) -> None:
    """Delete what killed exports have left; one at work holds its lock, and is left alone."""
    for leftover in folder.parent.glob(f".{glob.escape(folder.name)}.part-*"):
        if leftover.name.endswith(_REPLACED) and not folder.exists():
            # killed between the two renames of a swap
            leftover.rename(folder)
            continue
        descriptor = os.open(leftover, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(leftover)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)


def _hand_over(part: Path) -> None:
    """Let everybody read the export, as the published file, and have it safely on the disk."""
    for path in (part, *part.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o444)
        _sync(path)


def _swap_in(part: Path, folder: Path) -> None:
    """Let the new export take the folder's place; an old one lies in the part folder then."""
    if not folder.exists():
        part.rename(folder)
    elif not _exchange(part, folder):
        # This file system cannot exchange two names, so for a moment there is no export.
        replaced = part.with_name(part.name + _REPLACED)
        folder.rename(replaced)
        part.rename(folder)
        replaced.rename(part)
    _sync(folder.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one step; False where the system cannot."""
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if hasattr(library, "renameat2"):
        return not library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _SWAP)
    return hasattr(library, "renamex_np") and not library.renamex_np(*names, _SWAP)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).splitlines()[0]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
