"""What `forget` and `prune` share: the lock, one published change, and what a command reports."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from telnyx_jobs.destinations.base import Destination
from telnyx_jobs.destinations.place import Place
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.run.exports import KnownExport, known_exports
from telnyx_jobs.schema import RAW_SCHEMA, REMOVALS, Table
from telnyx_jobs.settings import DUCKDB, Settings
from telnyx_jobs.source.query import Query

REMOVES_FROM = (DUCKDB, "postgres")
"""Destinations where bytes that are deleted can be wiped, and where that is tested."""


@dataclass(kw_only=True)
class Removed:
    """What a command removed. `rows` counts changed or deleted rows by table."""

    database: str
    jobs: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    files: list[str] = field(default_factory=list)
    """Files beside the data that were deleted or changed."""
    exports: list[KnownExport] = field(default_factory=list)
    """Exports that hold what they held, so they must be made again."""

    def as_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields


@contextmanager
def removing(settings: Settings, destination: Destination, result: Removed) -> Iterator[None]:
    """Holds the lock, and notes the exports. Raises BadConfiguration if nothing is published."""
    if settings.destination not in REMOVES_FROM:
        raise BadConfiguration(
            f"nothing can be removed from {settings.destination} by this program: only from "
            f"{' and '.join(REMOVES_FROM)}"
        )
    with destination.errors():
        with destination.reading() as reader:
            if reader is None:
                raise BadConfiguration(f"{destination.name} does not exist yet: run sync first")
        destination.prepare()
        with destination.place.locked(settings.wait):
            # before `forget` takes a number out of their names
            result.exports = known_exports(destination.place)
            try:
                yield
            finally:
                destination.discard()


def delete_files(place: Place) -> list[str]:
    """Delete what is kept of answers and of foreign writes; returns what that was.

    Before the change is published: killed in between, pages are only read again.
    """
    found = [path for path in (place.pages, place.foreign_wal) if path.exists()]
    if place.pages.exists():
        shutil.rmtree(place.pages)
    place.foreign_wal.unlink(missing_ok=True)
    return [path.name for path in found]


def note(
    query: Query, kind: str, value: str, *, key_id: str | None = None, jobs: int | None = None
) -> None:
    """Keep a row of `removals`, instead of one with the same key."""
    table = f"{RAW_SCHEMA}.{REMOVALS.name}"
    query(f"delete from {table} where kind = ? and value = ?", [kind, value])
    row = (kind, value, key_id, jobs, datetime.now(UTC))
    insert(query, REMOVALS, dict(zip(REMOVALS.column_names, row, strict=True)))


def insert(query: Query, table: Table, row: Mapping[str, Any]) -> None:
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    query(f"insert into {RAW_SCHEMA}.{table.name} ({names}) values ({marks})", [*row.values()])


def update(query: Query, table: Table, key: Sequence[Any], values: Mapping[str, Any]) -> None:
    assigned = ", ".join(f"{name} = ?" for name in values)
    query(
        f"update {RAW_SCHEMA}.{table.name} set {assigned} where {_is_key(table)}",
        [*values.values(), *key],
    )


def delete(query: Query, table: Table, key: Sequence[Any]) -> None:
    query(f"delete from {RAW_SCHEMA}.{table.name} where {_is_key(table)}", [*key])


def _is_key(table: Table) -> str:
    return " and ".join(f"{name} = ?" for name in table.key)
