"""Somebody's own pipeline over the public dlt source."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import dlt

from support.faulty_api import FaultyApi
from telnyx_jobs import telnyx_jobs
from telnyx_jobs.demo_api import FakeApi

Into = Callable[..., dlt.Pipeline]
"""Makes a pipeline of any name into a database, with a working folder of its own each time."""


def pipelines_into(destination: Any, folder: Path) -> Into:
    working = count()

    def pipeline(dataset: str = "my_data", name: str | None = None) -> dlt.Pipeline:
        return dlt.pipeline(
            name or f"of_{dataset}",
            destination=destination,
            dataset_name=dataset,
            pipelines_dir=str(folder / f"working folder {next(working)}"),
        )

    return pipeline


def load(pipeline: dlt.Pipeline, api: FakeApi | FaultyApi, **options: Any) -> None:
    pipeline.run(telnyx_jobs(api_key=api.key, base_url=api.url, **options))


def rows(pipeline: dlt.Pipeline, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """The columns of all rows, sorted by the first two."""
    with pipeline.sql_client() as client:
        listed = ", ".join(columns)
        return [
            *map(tuple, client.execute_sql(f"select {listed} from {table} order by 1, 2") or ())
        ]
