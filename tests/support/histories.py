"""Random histories of an account as the API's JSON, loaded, and read in plain Python.

What is read here never comes from the tables. The JSON takes the real way into them: it is read,
flattened, and inserted into an empty database.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
from hypothesis import strategies as st

from telnyx_jobs.api.models import Record
from telnyx_jobs.api.parsing import read_page
from telnyx_jobs.destinations.duckdb_tables import create_views, update_tables
from telnyx_jobs.schema import CHILDREN, MARKER, RAW_SCHEMA
from telnyx_jobs.source.flatten import Observed, job_tables

Json = dict[str, Any]
Row = tuple[Any, ...]

# --- random histories ------------------------------------------------------------------------

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def some_time(earliest: int, latest: int) -> st.SearchStrategy[str | None]:
    """Times in steps of half a day around a Monday, so that many coincide, a second less, none."""

    def text(half_days: int, less: bool) -> str:
        time = MONDAY + timedelta(hours=12 * half_days, milliseconds=-1000 * less)
        return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    return st.none() | st.builds(text, st.integers(earliest, latest), st.booleans())


IDS = st.sampled_from([None, "1", "2", "3"])
NUMBERS = st.sampled_from([None, "+1", "+2", "+3"])
POINTERS = [None, "/x", "/x/0", "/x/17", "/x/0/1/y", "/x/007", "/a~10/0", "/a~1/2", "x/3", ""]
phone_numbers = st.fixed_dictionaries({"id": IDS, "phone_number": NUMBERS})
errors = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from([None, "10015", "10036"]),
        "title": st.sampled_from([None, "A", "B"]),
        "source": st.none()
        | st.fixed_dictionaries({}, optional={"pointer": st.sampled_from(POINTERS)}),
    },
)
failures = st.fixed_dictionaries(
    {"id": IDS, "phone_number": NUMBERS},
    optional={"errors": st.none() | st.lists(errors, max_size=4)},
)
KNOWN = ["customer_reference", "connection_id", "billing_group_id", "emergency_address_id", "tags"]
parameters = st.dictionaries(
    st.sampled_from([*KNOWN, "x", "a/1", "phone_numbers"]),
    st.sampled_from(["A", "B", "null", None, False, 7, 0.5, {}, [], {"0": ["é"]}, ["A", "B"]])
    | st.builds(lambda size: ["A"] * size, st.sampled_from([100, 101])),
    max_size=4,
)
jobs_without_id = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["update", "update", "update", "delete", None]),
        "status": st.sampled_from(
            ["completed"] * 4 + ["failed", "expired", "pending", "new", None]
        ),
        "created_at": some_time(-20, 0),
        "updated_at": some_time(-16, 4),
        "etc": some_time(-16, 4),
    },
    optional={
        "parameters": st.none() | parameters,
        "phone_numbers": st.none() | st.lists(phone_numbers, max_size=4),
        "successful_operations": st.none() | st.lists(phone_numbers, max_size=4),
        "pending_operations": st.none() | st.lists(phone_numbers, max_size=2),
        "failed_operations": st.none() | st.lists(failures, max_size=4),
    },
)


@st.composite
def histories(draw: st.DrawFn) -> list[Json]:
    """Jobs with ids in no order of time; none, one, or enough for streaks and percentiles."""
    size = draw(st.sampled_from([0, 1, 2, 6, 12]))
    jobs: list[Json] = draw(st.lists(jobs_without_id, min_size=size, max_size=size))
    ids = draw(st.permutations([f"job-{number}" for number in range(len(jobs))]))
    return [{"id": job_id} | job for job_id, job in zip(ids, jobs, strict=True)]


# --- from JSON into the views ----------------------------------------------------------------


@contextmanager
def open_views() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open one database for all examples, in a time zone that must not matter."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'Pacific/Auckland'")
        update_tables(connection)
        create_views(connection)
        yield connection


def load(con: duckdb.DuckDBPyConnection, history: list[Json]) -> None:
    """Replace the history."""
    body = json.dumps({"data": history, "meta": {"total_pages": 1}}).encode()
    records = [record for record in read_page(body).records if isinstance(record, Record)]
    assert len(records) == len(history)
    tables = job_tables([Observed(record, "", MONDAY) for record in records])
    children = {child.name for child in CHILDREN}
    for name, arrow in tables.items():
        con.execute(f"delete from {RAW_SCHEMA}.{name}")
        con.register("loaded", arrow)
        where = f"where {MARKER} is null" if name in children else ""
        con.execute(f"insert into {RAW_SCHEMA}.{name} by name from loaded {where}")
        con.unregister("loaded")


def by_text(rows: Iterable[Row]) -> list[Row]:
    """Sort rows that hold NULLs."""
    return sorted(rows, key=lambda row: [repr(value) for value in row])


def found(con: duckdb.DuckDBPyConnection, view: str, columns: str = "*") -> list[Row]:
    """Return the rows of a view, with times in UTC."""
    rows = con.execute(f"select {columns} from telnyx.{view}").fetchall()
    return by_text(
        tuple(v.astimezone(UTC) if isinstance(v, datetime) else v for v in row) for row in rows
    )


# --- the same figures in plain Python --------------------------------------------------------


def time(text: str | None) -> datetime | None:
    """Read a time of the API."""
    return None if text is None else datetime.fromisoformat(text)


def operations(job: Json, outcome: str) -> list[Json]:
    """Return the operations of a job, none where the API sent no list."""
    return job.get(f"{outcome}_operations") or []


def settled(jobs: Iterable[Json]) -> int:
    """Count successful and failed operations."""
    return sum(len(operations(job, "successful")) + len(operations(job, "failed")) for job in jobs)


def is_closed(job: Json) -> bool:
    """Whether the job is final."""
    return job["status"] in ("completed", "failed", "expired")


def identity(number: Json) -> str | None:
    """Return what identifies a number."""
    key: str | None = number["phone_number"] if number["id"] is None else number["id"]
    return key


def pointer(error: Json) -> str | None:
    """Return the pointer of an error."""
    return (error.get("source") or {}).get("pointer")


def pattern(error: Json) -> str | None:
    """Return the pointer with stars for indexes."""
    text = pointer(error)
    if text is None:
        return None
    tokens = text.split("/")
    return "/".join("*" if t.isdigit() and (t == "0" or t[0] != "0") else t for t in tokens)


def faults(failure: Json, *parts: Callable[[Json], str | None]) -> set[Row]:
    """Return the different faults of a failed operation; one that is all NULL where it has none."""
    errors = failure.get("errors") or []
    return {tuple(part(error) for part in parts) for error in errors} or {(None,) * len(parts)}


def code(error: Json) -> str | None:
    """Return the code of an error."""
    return error.get("code")


def span(jobs: Iterable[Json]) -> tuple[datetime | None, datetime | None]:
    """Return the earliest and the latest change of jobs."""
    times = [moment for job in jobs if (moment := time(job["updated_at"]))]
    return (min(times), max(times)) if times else (None, None)


def rate(count: int, of: int) -> float | None:
    """Return a share, None of nothing."""
    return count / of if of else None


def failing(
    history: list[Json], *parts: Callable[[Json], str | None]
) -> dict[Row, list[tuple[Json, Json]]]:
    """Return each fault with the jobs and operations that failed so."""
    cases = defaultdict(list)
    for job in history:
        for failure in operations(job, "failed"):
            for fault in faults(failure, *parts):
                cases[fault].append((job, failure))
    return cases


def figures(cases: list[tuple[Json, Json]]) -> Row:
    """Return the jobs, numbers and times of failures."""
    return (
        len({job["id"] for job, _ in cases}),
        len({identity(failure) for _, failure in cases} - {None}),
        *span(job for job, _ in cases),
    )


def groups(jobs: Iterable[Json], key: Callable[[Json], Hashable]) -> dict[Any, list[Json]]:
    """Return the jobs of each key."""
    grouped = defaultdict(list)
    for job in jobs:
        grouped[key(job)].append(job)
    return grouped


def day(text: str | None) -> date | None:
    """Return the UTC day of a time."""
    moment = time(text)
    return None if moment is None else moment.date()
