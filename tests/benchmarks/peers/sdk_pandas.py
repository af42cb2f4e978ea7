"""Telnyx's own SDK, pandas and DuckDB: `sdk_pandas.py BASE_URL DATABASE`.

The script that one would write: iterate over the jobs, collect rows, make data frames, insert them.
Left out: nothing of the four tables; a second run would have to start from nothing.
"""

import sys
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import telnyx  # type: ignore[import-not-found]  # in an environment of its own

COLUMNS = {
    "jobs": ["id", "record_type", "type", "status", "etc", "created_at", "updated_at"],
    "job_phone_numbers": ["job_id", "position", "phone_number_id", "phone_number"],
    "job_operations": ["job_id", "outcome", "position", "phone_number_id", "phone_number"],
    "job_operation_errors": [
        *("job_id", "operation_position", "position", "code", "title", "detail"),
        *("source_pointer", "source_parameter", "meta_url"),
    ],
}


def main(base_url: str, database: Path) -> None:
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in COLUMNS}
    client = telnyx.Telnyx(api_key="KEYbench", base_url=base_url)
    for job in client.phone_numbers.jobs.list(page_size=250):
        rows["jobs"].append(
            (
                *(job.id, job.record_type, job.type, job.status),
                *(job.etc, job.created_at, job.updated_at),
            )
        )
        for position, number in enumerate(job.phone_numbers or []):
            rows["job_phone_numbers"].append((job.id, position, number.id, number.phone_number))
        for outcome, operations in (
            ("successful", job.successful_operations),
            ("pending", job.pending_operations),
            ("failed", job.failed_operations),
        ):
            for position, operation in enumerate(operations or []):
                rows["job_operations"].append(
                    (job.id, outcome, position, operation.id, operation.phone_number)
                )
        for place, operation in enumerate(job.failed_operations or []):
            for position, error in enumerate(operation.errors or []):
                source, meta = error.source, error.meta
                rows["job_operation_errors"].append(
                    (
                        *(job.id, place, position, error.code, error.title, error.detail),
                        source.pointer if source else None,
                        source.parameter if source else None,
                        meta.url if meta else None,
                    )
                )
    with duckdb.connect(str(database)) as connection:
        connection.execute("create schema bench")
        for name, columns in COLUMNS.items():
            frame = pd.DataFrame(rows[name], columns=columns)
            connection.register("frame", frame)
            connection.execute(f"create table bench.{name} as from frame")
            connection.unregister("frame")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
