"""A command of telnyx-jobs with what fakesnow's server lacks of Snowflake replaced.

Run in an environment with dlt[snowflake]: `python snowflake_in_emulator.py sync …`. The server
takes one statement at a time, unquoted names of stages, and files of Parquet only. A time that is
NULL it sends as 1970.
"""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

from dlt.destinations.impl.snowflake.factory import snowflake
from dlt.destinations.impl.snowflake.snowflake import SnowflakeLoadJob
from dlt.destinations.impl.snowflake.sql_client import SnowflakeSqlClient

_factory: Any = snowflake
_job: Any = SnowflakeLoadJob
_client: Any = SnowflakeSqlClient
_capabilities = _factory._raw_capabilities
_execute = _client.execute_sql
_NULL = datetime(1970, 1, 1, tzinfo=UTC)


def _with_single_statements(factory: Any) -> Any:
    capabilities = _capabilities(factory)
    capabilities.supports_multiple_statements = False
    return capabilities


def _load(job: Any) -> None:
    """Copy a file from the table's stage as dlt does; insert dlt's own few rows."""
    client, path = job._job_client.sql_client, job._file_path
    table = client.make_qualified_table_name(job.load_table_name)
    if path.endswith(".jsonl.gz"):
        with gzip.open(path, "rt") as lines:
            for row in map(json.loads, lines):
                names = ", ".join(map(client.escape_column_name, row))
                marks = ", ".join(["%s"] * len(row))
                client.execute_sql(f"insert into {table} ({names}) values ({marks})", *row.values())
        return
    assert path.endswith(".parquet"), path
    stage = client.make_qualified_table_name("%" + job.load_table_name).replace('"', "")
    with client.begin_transaction():
        client.execute_sql(f"put 'file://{path}' @{stage}/{job._load_id} auto_compress = false")
        client.execute_sql(
            f"copy into {table} from @{stage}/{job._load_id}/{path.rpartition('/')[2]} "
            "file_format = (type = parquet) match_by_column_name = case_insensitive"
        )


def _with_nulls(client: Any, sql: Any, *args: Any, **kwargs: Any) -> Any:
    rows = _execute(client, sql, *args, **kwargs)
    return rows and [tuple(None if value == _NULL else value for value in row) for row in rows]


_client.execute_sql = _with_nulls
_factory._raw_capabilities = _with_single_statements
_job.run = _load

if __name__ == "__main__":
    from telnyx_jobs.cli.commands import main

    main()
