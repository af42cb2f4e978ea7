"""The files beside an export's tables: a README, and statements that declare them in Spark."""

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

README = """\
# Telnyx phone-number jobs, as Parquet

The tables as Parquet in `tables/`, by the UTC month in which a job was created (`month=unknown`
without one); times are UTC instants. `tables.sql` and `views/` give Spark 4.0 or later the names
that the DuckDB file has: tables in `telnyx_raw`, what analysts use in `telnyx`. `export.json`
counts rows, files and bytes.

The next export replaces this folder whole: a running query then fails for a missing file. Run it
again, in Spark after these scripts.

DuckDB:

    select * from read_parquet('tables/jobs/**/*.parquet', hive_partitioning = true)

polars:

    polars.scan_parquet("tables/jobs", hive_partitioning=True)

Spark:

    from pathlib import Path

    export = Path("this folder").absolute()
    spark.conf.set("telnyx_jobs_export", str(export))
    spark.conf.set("spark.sql.session.timeZone", "UTC")  # shows times in UTC; no figure changes
    for script in [export / "tables.sql", *sorted((export / "views").glob("*.sql"))]:
        for statement in script.read_text().rstrip().removesuffix(";").split(";\\n"):
            spark.sql(statement)
    spark.table("telnyx.failure_rates_by_error_code").show()
"""

DELTA_README = """\
# Telnyx phone-number jobs, as Delta Lake tables

One Delta table for each raw table in `tables/`, by the UTC month in which a job was created
(`month=unknown` without one); times are UTC instants, and every column has its comment.

Read the tables at the versions that belong together. `sync_runs` is committed last, and its row of
the newest sync names them in `table_versions`, such as `{"jobs": 12, "job_operations": 9, ...}`.
Files of replaced months stay for seven days, so a query on older versions has that long.

polars:

    runs = polars.scan_delta("tables/sync_runs").filter(pl.col("table_versions").is_not_null())
    versions = json.loads(runs.collect()["table_versions"].item())
    polars.scan_delta("tables/jobs", version=versions["jobs"])

DuckDB, with its extension delta:

    select table_versions from delta_scan('tables/sync_runs') where table_versions is not null;
    attach 'tables/jobs' as jobs (type delta, version 12);
    select * from jobs

Spark with Delta Lake, or Sail: run `tables.sql`, then `views/*.sql` in the order of their names,
with `${telnyx_jobs_export}` standing for the address of this folder. They give the names that the
DuckDB file has: tables in `telnyx_raw`, what analysts use in `telnyx`. `tables.sql` names the
versions that were the newest when it was written: run it again after an export.
"""


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
