"""A history to export, and a comparison of the rows that two engines return."""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import isclose
from pathlib import Path
from typing import Any

from support.syncs import api_of, error, failure, job, numbers, rows, sync_once
from telnyx_jobs.demo_api import Account
from telnyx_jobs.schema import RAW_SCHEMA, Table
from telnyx_jobs.views.files import sql_folder

Row = tuple[Any, ...]

INSTANTS = [
    datetime(2026, 9, 1, 8, tzinfo=UTC),
    datetime(2026, 9, 2, 3, tzinfo=UTC),
    datetime(2026, 11, 1, 12, 30, tzinfo=UTC),
]
"""When the demo account is synced: twice within a day, so that jobs change, and months later."""

OF_NOW = {"jobs": {"is_overdue"}, "open_jobs": {"is_overdue", "age_seconds"}}
"""Columns that depend on the moment of the query."""
VIEWS = sorted({path.stem for path in (sql_folder() / "views").glob("*.sql")} - {"data_dictionary"})
"""Views that other engines have too."""

HOSTILE = [
    job(1, type="a/../b=c' ü\n%2F", status="completed"),
    job(2, type=None, created_at=None, failed_operations=[failure(1)]),
    job(3, updated_at=None, failed_operations=[failure(2, error("1", "/a/0/1/b/02/3"))]),
    # the days on both sides of midnight in UTC, and of 1970
    job(4, updated_at="2026-03-08T23:59:59.999Z", failed_operations=[failure(3, error("'", "/0"))]),
    job(5, updated_at="2026-03-09T00:00:00.000Z", failed_operations=[failure(4, {}, {})]),
    job(6, created_at="1969-12-31T23:59:59.999Z", updated_at="1969-12-31T23:59:59.999Z"),
    job(7, created_at="0001-01-01T00:00:00Z", failed_operations=[failure(5, error("1", ""))]),
    job(8, status="unheard of", pending_operations=numbers(6), phone_numbers=numbers(6, 7)),
    job(9, phone_numbers=None, failed_operations=None, successful_operations=numbers(8)),
    job(10, phone_numbers=numbers(9, 10), successful_operations=numbers(9)),
    # first seen in the newest week
    job(12, created_at="2026-10-31T00:00:00Z", updated_at="2026-10-31T00:00:00Z")
    | {"failed_operations": [failure(11, error("new", "/new/1"))]},
    # newest of its number: two errors, their codes in no order, one of them twice
    job(11, failed_operations=[failure(8, *(error(c, f"/{c}") for c in ("b", "a", "b")))]),
]
"""Jobs that try what engines disagree on: names, NULLs, days, texts, orders."""


def columns(table: Table) -> list[str]:
    """Names of the columns that are exported."""
    return [name for name in table.column_names if not name.startswith("_dlt")]


def raw(database: Path, table: Table) -> list[Row]:
    """Rows of a table of the file."""
    return rows(database, f"select {', '.join(columns(table))} from {RAW_SCHEMA}.{table.name}")


def assert_same(found: Sequence[Row], expected: Sequence[Row]) -> None:
    """Both hold the same rows, in any order; floats to 1e-12, times as instants."""
    assert len(found) == len(expected)
    for one, other in zip(
        *(sorted(map(_comparable, side)) for side in (found, expected)), strict=True
    ):
        assert one[0] == other[0]
        for a, b in zip(one[1], other[1], strict=True):
            assert isclose(a, b, rel_tol=1e-12, abs_tol=1e-12), (one, other)


def _comparable(row: Row) -> tuple[list[str], list[float]]:
    """The part of a row that must be equal, as sortable text, and its floats."""
    exact = [
        repr(value.astimezone(UTC) if isinstance(value, datetime) else value)
        if not isinstance(value, float)
        else "float"
        for value in row
    ]
    return exact, [value for value in row if isinstance(value, float)]


def sync_history(path: Path) -> None:
    """Publish the history of the demo account, with the hostile jobs, in this file."""
    for instant in INSTANTS:
        with api_of([*Account().jobs(instant), *HOSTILE, {"id": 1}]) as api:
            sync_once(api, path)
