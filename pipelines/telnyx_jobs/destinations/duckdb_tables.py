"""The raw tables, comments and views in a DuckDB file, brought up to date from any version."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
from packaging.version import InvalidVersion, Version

from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.quoting import identifier, literal
from telnyx_jobs.schema import RAW_SCHEMA, STORED, SYNC_RUNS, VIEW_SCHEMA, Table
from telnyx_jobs.version import __version__
from telnyx_jobs.views.files import view_statements

STORAGE_VERSION = "v1.4.0"
STAGING_SCHEMA = f"{RAW_SCHEMA}_staging"
_SQL_TYPES = {
    "text": "varchar",
    "timestamp": "timestamp with time zone",
    "bigint": "bigint",
    "double": "double",
    "bool": "boolean",
    "json": "json",
}


def create_empty(path: Path) -> None:
    """An empty file in the storage version that today's drivers open."""
    with duckdb.connect() as connection:
        connection.execute(
            f"attach {literal(str(path))} as new (storage_version '{STORAGE_VERSION}')"
        )


def copy_database(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Copy tables, views, macros and comments of this database into the empty file `target`."""
    ((source,),) = connection.execute("select current_database()").fetchall()
    copy = identifier(f"{source}_copy")
    connection.execute(
        f"attach {literal(str(target))} as {copy} (storage_version '{STORAGE_VERSION}')"
    )
    connection.execute(f"copy from database {identifier(source)} to {copy}")
    connection.execute(f"checkpoint {copy}")
    connection.execute(f"detach {copy}")


def update_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Add each raw table and column that is missing, as in a new file or one of an older version.

    Raises BadConfiguration for a file that a newer version published.
    """
    connection.execute(f"create schema if not exists {RAW_SCHEMA}")
    existing = _columns(connection)
    for table in STORED:
        if table.name not in existing:
            connection.execute(_ddl(table))
            continue
        for column in table.columns:
            if column.name not in existing[table.name]:
                connection.execute(
                    f"alter table {RAW_SCHEMA}.{table.name} "
                    f'add column "{column.name}" {_SQL_TYPES[column.type]}'
                )
    refuse_newer(newest_version(connection))


def has_published(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a sync of any version has published this file."""
    return SYNC_RUNS.name in _columns(connection)


def newest_version(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The program that published last; None if that is unknown, as of an old file."""
    if "version" not in _columns(connection).get(SYNC_RUNS.name, ()):
        return None
    newest = connection.execute(
        f"select version from {RAW_SCHEMA}.sync_runs order by started_at desc limit 1"
    ).fetchall()
    version: str | None = newest[0][0] if newest else None
    return version


def refuse_newer(version: str | None) -> None:
    """Raises BadConfiguration if a later version than this one published last."""
    try:
        is_newer = version is not None and Version(version) > Version(__version__)
    except InvalidVersion:
        is_newer = True
    if is_newer:
        raise BadConfiguration(
            f"the data was published by telnyx-jobs {version}, and this is {__version__}, which "
            f"would drop what it does not know: pip install 'telnyx-jobs>={version}'"
        )


def complete(connection: duckdb.DuckDBPyConnection) -> None:
    """Views and comments onto freshly loaded tables."""
    # one transaction, because each of hundreds of comments would be a write to the disk
    connection.execute("begin")
    connection.execute(f"drop schema if exists {STAGING_SCHEMA} cascade")
    for table in STORED:
        connection.execute(_comments(table))
    create_views(connection)
    connection.execute("commit")


def create_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Every view of `sql/views`, with its comments."""
    connection.execute(f"create schema if not exists {VIEW_SCHEMA}")
    for sql in view_statements():
        connection.execute(sql)


def insert_run(connection: duckdb.DuckDBPyConnection, run: Mapping[str, Any]) -> None:
    """Add the run's row, instead of the one that an earlier package of the run left."""
    table = f"{RAW_SCHEMA}.{SYNC_RUNS.name}"
    connection.execute(f"delete from {table} where run_id = ?", [run["run_id"]])
    columns = ", ".join(map(identifier, run))
    marks = ", ".join("?" * len(run))
    connection.execute(f"insert into {table} ({columns}) values ({marks})", list(run.values()))


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The columns of each raw table that exists."""
    return dict(
        connection.execute(
            "select table_name, list(column_name) from duckdb_columns() "
            "where database_name = current_database() and schema_name = ? group by table_name",
            [RAW_SCHEMA],
        ).fetchall()
    )


def _ddl(table: Table) -> str:
    columns = ", ".join(
        f'"{c.name}" {_SQL_TYPES[c.type]}{"" if c.nullable else " not null"}' for c in table.columns
    )
    return f"create table {RAW_SCHEMA}.{table.name} ({columns})"


def _comments(table: Table) -> str:
    name = f"{RAW_SCHEMA}.{table.name}"
    lines = [f"comment on table {name} is {literal(table.description)};"]
    lines += [
        f'comment on column {name}."{column.name}" is {literal(column.description)};'
        for column in table.columns
    ]
    return "\n".join(lines)
