"""What an export says of itself: its README, and the statements that give Spark its tables."""

from telnyx_jobs.schema import JOBS, RAW_SCHEMA, TABLES, VIEW_SCHEMA, Column, Table
from telnyx_jobs.views.dialects import spark_text

ROOT_VARIABLE = "telnyx_jobs_export"
"""Spark's name for the address of the export, which its `tables.sql` asks for."""
_SPARK_TYPES = {
    "text": "STRING",
    "timestamp": "TIMESTAMP",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "json": "STRING",
}

README = """\
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

Spark:

    from pathlib import Path

    export = Path("this folder").absolute()
    spark.conf.set("telnyx_jobs_export", str(export))
    spark.conf.set("spark.sql.session.timeZone", "UTC")  # shows times in UTC; no figure changes
    for script in [export / "tables.sql", *sorted((export / "views").glob("*.sql"))]:
        for statement in script.read_text().rstrip().removesuffix(";").split(";\\n"):
            spark.sql(statement)
    spark.table("telnyx.failure_rates_by_error_code").show()

## In a bucket

An export to s3://bucket/prefix lies under `prefix/exports/<its id>/`, and `prefix/export.json` says
in `location` which one is the newest. Read that first, then the files below the location: they stay
until two further exports are done.

DuckDB:

    create secret (type s3, provider credential_chain);
    set variable location = (select location from read_json('s3://bucket/prefix/export.json'));
    select * from read_parquet(getvariable('location') || '/tables/jobs/**/*.parquet')

polars:

    location = polars.scan_ndjson("s3://bucket/prefix/export.json").collect()["location"].item()
    polars.scan_parquet(f"{location}/tables/jobs/", hive_partitioning=True)

Spark: the scripts from a copy of `tables.sql` and `views/`, with `telnyx_jobs_export` set to the
location, s3a:// in place of s3://.
"""


def spark_tables() -> str:
    """The statements that declare every table over its files, for Spark."""
    statements = [f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in (RAW_SCHEMA, VIEW_SCHEMA)]
    for table in TABLES:
        statements += _spark_table(table)
    return "".join(f"{statement};\n" for statement in statements)


def exported_columns(table: Table) -> list[Column]:
    return [column for column in table.columns if not column.name.startswith("_dlt")]


def is_partitioned(table: Table) -> bool:
    """Whether each row belongs to a job, and so to the month of one."""
    return table is JOBS or "job_id" in table.key


def _spark_table(table: Table) -> list[str]:
    """The statements for one table; dropping an external table leaves its files alone."""
    name = f"{RAW_SCHEMA}.{table.name}"
    columns = [
        f"  {column.name} {_SPARK_TYPES[column.type]} COMMENT {spark_text(column.description)}"
        for column in exported_columns(table)
    ]
    partitions = ""
    if is_partitioned(table):
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
