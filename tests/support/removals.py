"""Something to remove, and where it still is: in bytes of files, or in texts that DuckDB reads."""

from pathlib import Path

import duckdb

from support.syncs import Jobs, error, failure, job, numbers
from telnyx_jobs.destinations.place import Place

OWN = 4711
NUMBER, ID = "+15550004711", "id-4711"
"""The number of that index, and its id."""


def jobs_with_the_number(count: int) -> Jobs:
    """Jobs with the number in rows, texts and parameters, and one that cannot be loaded."""
    quoting = error("10015", f"/phone_numbers/{ID}") | {"detail": f"{NUMBER} is invalid"}
    jobs = Jobs(
        job(
            n,
            phone_numbers=numbers(n, OWN),
            successful_operations=numbers(n),
            failed_operations=[failure(OWN, quoting)],
            parameters={"note": f"of job {n}: {NUMBER}"},
        )
        for n in range(count)
    )
    jobs.append(job(count, phone_numbers=NUMBER))
    return jobs


def traces_of(database: Path, *texts: str) -> list[str]:
    """Files, and columns as `schema.table.column`, that hold one of the texts.

    Files: the published one and everything beside it. Columns: every column of every table, since a
    compressed segment hides its bytes; dlt's state is unpacked.
    """
    files = [p for p in database.parent.rglob("*") if p.is_file() and not _is_program(p)]
    found = [
        str(path.relative_to(database.parent))
        for path in sorted(files)
        if any(text.encode() in path.read_bytes() for text in texts)
    ]
    with duckdb.connect(str(database), read_only=True) as connection:
        columns = connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns() "
            "where database_name = current_database() and not internal and table_name in "
            "(select table_name from duckdb_tables()) order by all"
        ).fetchall()
        for schema, table, column in columns:
            values = connection.execute(
                f'select cast("{column}" as varchar) from "{schema}"."{table}"'
            ).fetchall()
            shown = [_unpacked(table, column, value) for (value,) in values if value is not None]
            if any(text in value for text in texts for value in shown):
                found.append(f"{schema}.{table}.{column}")
    assert Place(database).state.is_dir()
    return found


def _unpacked(table: str, column: str, value: str) -> str:
    if (table, column) != ("_dlt_pipeline_state", "state"):
        return value
    from dlt.common.versioned_state import decompress_state

    return str(decompress_state(value))


def _is_program(path: Path) -> bool:
    return path.suffix == ".pyc"
