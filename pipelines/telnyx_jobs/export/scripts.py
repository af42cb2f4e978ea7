"""The files beside an export's tables: a README, and statements that declare them in Spark."""

from pathlib import Path

from telnyx_jobs.schema import JOBS, RAW_SCHEMA, TABLES, VIEW_SCHEMA, Column, Table
from telnyx_jobs.views.dialects import spark_text

ROOT_VARIABLE = "telnyx_jobs_export"
"""Spark's variable for the address of the export, which its `tables.sql` reads."""
DELTA_SCHEMA = "telnyx_delta"
"""Schema in Spark for the newest version of each Delta table; `telnyx_raw` reads another."""
MONTH = Column("month", "text", "UTC month in which the job was created, such as 2026-11.")
_SPARK_TYPES = {
    "text": "STRING",
    "timestamp": "TIMESTAMP",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "json": "STRING",
}


def readme(name: str) -> str:
    """The README of an export, `parquet` or `delta`."""
    return Path(__file__).with_name(f"{name}.md").read_text(encoding="utf-8")


def spark_tables() -> str:
    """The statements that declare every table over its files, for Spark."""
    statements = [f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in (RAW_SCHEMA, VIEW_SCHEMA)]
    for table in TABLES:
        statements += _spark_table(table)
    return "".join(f"{statement};\n" for statement in statements)


def delta_tables(versions: dict[str, int]) -> str:
    """The statements that declare every table in Spark at its version, sync_runs at the newest."""
    schemas = (DELTA_SCHEMA, RAW_SCHEMA, VIEW_SCHEMA)
    statements = [f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in schemas]
    for table in TABLES:
        name = f"{DELTA_SCHEMA}.{table.name}"
        pinned = f" VERSION AS OF {versions[table.name]}" if table.name in versions else ""
        columns = exported_columns(table)
        described = ",\n".join(f"  {c.name} COMMENT {spark_text(c.description)}" for c in columns)
        statements += [
            f"DROP TABLE IF EXISTS {name}",
            f"CREATE TABLE {name} USING delta LOCATION '${{{ROOT_VARIABLE}}}/tables/{table.name}'",
            f"CREATE OR REPLACE VIEW {RAW_SCHEMA}.{table.name} (\n{described}\n)\n"
            f"COMMENT {spark_text(table.description)}\n"
            f"AS SELECT {', '.join(c.name for c in columns)} FROM {name}{pinned}",
        ]
    return "".join(f"{statement};\n" for statement in statements)


def exported_columns(table: Table) -> list[Column]:
    return [column for column in table.columns if not column.name.startswith("_dlt")]


def is_partitioned(table: Table) -> bool:
    """Whether each row belongs to a job, and so to a month."""
    return table is JOBS or "job_id" in table.key


def _spark_table(table: Table) -> list[str]:
    """The statements for one table; dropping an external table leaves its files alone."""
    name = f"{RAW_SCHEMA}.{table.name}"
    columns = exported_columns(table)
    partitions = ""
    if is_partitioned(table):
        columns.append(MONTH)
        partitions = "PARTITIONED BY (month)\n"
    listed = ",\n".join(
        f"  {column.name} {_SPARK_TYPES[column.type]} COMMENT {spark_text(column.description)}"
        for column in columns
    )
    statements = [
        f"DROP TABLE IF EXISTS {name}",
        f"CREATE TABLE {name} (\n{listed}\n)\nUSING parquet\n{partitions}"
        f"LOCATION '${{{ROOT_VARIABLE}}}/tables/{table.name}'\n"
        f"COMMENT {spark_text(table.description)}",
    ]
    if partitions:
        statements.append(f"ALTER TABLE {name} RECOVER PARTITIONS")
    return statements
