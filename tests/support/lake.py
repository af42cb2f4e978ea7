"""A history that changes from export to export, and readers of Delta Lake in their environments."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from support.exported_history import HOSTILE, Row
from support.syncs import Jobs, api_of, error, failure, job, numbers, rows, sync_once
from telnyx_jobs.schema import RAW_SCHEMA, TABLES

State = dict[str, list[Row]]
"""The rows of each raw table, by its name."""


def changing_history(database: Path) -> Iterator[None]:
    """Five syncs into a file; the caller exports after each."""
    jobs = Jobs([*HOSTILE, {"id": 1}, job(13, status="pending", pending_operations=numbers(20))])
    with api_of(jobs) as api:
        sync_once(api, database)
        yield
        # an open job ends, and another month begins
        failed = [failure(20, error("10015", "/tags/3"))]
        jobs[-1] |= {"status": "failed", "pending_operations": [], "failed_operations": failed}
        jobs.append(job(24 * 200, phone_numbers=numbers(21), pending_operations=numbers(21)))
        jobs[-1]["status"] = "in_progress"
        sync_once(api, database)
        yield
        # arrays become empty
        jobs[-1] |= {"status": "expired", "phone_numbers": [], "pending_operations": []}
        sync_once(api, database)
        yield
        # nothing changes
        sync_once(api, database)
        yield
        # the API no longer shows a job
        jobs.pop(0)
        sync_once(api, database, full=True)
        yield


def column_names(table: str) -> list[str]:
    """Columns of a raw table that are exported."""
    (found,) = (each for each in TABLES if each.name == table)
    return [name for name in found.column_names if not name.startswith("_dlt")]


def state_of(database: Path) -> State:
    """What the published file holds."""
    return {
        table.name: rows(
            database, f"select {', '.join(column_names(table.name))} from {RAW_SCHEMA}.{table.name}"
        )
        for table in TABLES
    }


def newest(root: str, **options: str) -> int:
    """The newest version of sync_runs."""
    return DeltaTable(f"{root}/tables/sync_runs", storage_options=options).version()


def read_elsewhere(
    python: Path, script: str, root: str, out: Path, versions: list[int], **environment: str
) -> list[State]:
    """The state that belongs to each version of sync_runs, read by a script elsewhere.

    The script gets the export's address, a folder, and as JSON the versions and the columns by
    table; it writes `<version>/<table>.parquet` below the folder.
    """
    import pyarrow.parquet

    columns = {table.name: column_names(table.name) for table in TABLES}
    # in a file, since pyspark takes `python -c` for a shell of its own
    program = out / "reader.py"
    program.write_text(script)
    subprocess.run(
        [str(python), str(program), root, str(out), json.dumps(versions), json.dumps(columns)],
        env=environment,
        check=True,
        timeout=300,
    )
    return [
        {
            name: _rows(pyarrow.parquet.read_table(out / str(version) / f"{name}.parquet"))
            for name in columns
        }
        for version in versions
    ]


def _rows(table: Any) -> list[Row]:
    return [tuple(row.values()) for row in table.to_pylist()]
