"""What the destination already holds: which jobs, in which version, and which are still open.

It reads the tables themselves, not a state beside them, so the answer is right after any failure.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from telnyx_jobs.api.models import Record, Rejected
from telnyx_jobs.schema import (
    COUNTS,
    FINAL_STATUSES,
    JOBS,
    LOADED,
    RAW_SCHEMA,
    REJECTED_RECORDS,
    ROW_HASH,
    SYNC_RUNS,
    Column,
)
from telnyx_jobs.source.query import Query
from telnyx_jobs.source.removals import NOTHING_REMOVED, Removals

_ASK_AGAIN = timedelta(days=7)
"""How long each sync still requests a job that is missing or could not be loaded."""

_AT_ONCE = 5_000
"""Parameters read together: up to some 15 kB each."""
_JOBS = f"{RAW_SCHEMA}.{JOBS.name}"
_RUNS = f"{RAW_SCHEMA}.{SYNC_RUNS.name}"
_REJECTED = f"{RAW_SCHEMA}.{REJECTED_RECORDS.name}"


class Version(NamedTuple):
    """The version of a job that is stored."""

    content_hash: str
    """Empty for a job in doubt: no content has this hash."""
    is_missing: bool
    updated_at: datetime | None
    status: str | None
    operations: int
    """Successful, pending and failed ones."""


@dataclass(frozen=True)
class Loaded:
    """Questions about the loaded jobs. `job_types` narrows to these types; empty means all.

    `has_tables` is whether the raw tables exist, `takes_appends` whether a first load, into empty
    ones, may append instead of replace. A job is in doubt if it is one of `in_doubt`, or was
    observed after `whole_until`: the run that loaded it was stopped, so rows may be missing.
    """

    query: Query
    _: KW_ONLY
    has_tables: bool = True
    takes_appends: bool = True
    whole_until: datetime | None = None
    in_doubt: frozenset[str] = frozenset()
    removals: Removals = NOTHING_REMOVED

    def versions(self, job_ids: Sequence[str]) -> dict[str, Version]:
        """The stored version of each of these jobs; those not stored are left out."""
        if not job_ids:
            return {}
        operations = " + ".join(f"coalesce({column.name}, 0)" for column in COUNTS[1:])
        rows = self.query(
            f"select id, observed_at, {ROW_HASH}, missing_since is not null, updated_at, status, "
            f"{operations} "
            f"from {_JOBS} where id in ({_marks(job_ids)})",
            job_ids,
        )
        return {
            job_id: Version(
                "" if self._is_in_doubt(job_id, observed_at) else content_hash, *version
            )
            for job_id, observed_at, content_hash, *version in rows
        }

    def _is_in_doubt(self, job_id: str, observed_at: datetime) -> bool:
        is_late = self.whole_until is not None and observed_at > self.whole_until
        return is_late or job_id in self.in_doubt

    def job_ids_in_doubt(self) -> set[str]:
        """Jobs some of whose rows may be missing, which the API may still show."""
        if self.whole_until is None:
            return set()
        sql = f"select id from {_JOBS} where observed_at > ? and missing_since is null"
        late = self._ids(sql, [self.whole_until])
        return {*late, *self.in_doubt}

    def not_pruned(self, records: Iterable[Record | Rejected]) -> Iterator[Record | Rejected]:
        """Those that may be loaded: a pruned job must not come back, one that was kept may."""
        for record in records:
            if not self.removals.covers(record) or self.versions([record.job_id or ""]):
                yield record

    def can_append(self) -> bool:
        """Whether nothing has to be replaced: no table has a row, not even of a failed load."""
        if not self.takes_appends:
            return False
        rows = " union all ".join(f"select 1 from {RAW_SCHEMA}.{table.name}" for table in LOADED)
        return not self.query(f"select * from ({rows}) as loaded limit 1", [])

    def row_count(self) -> int:
        """Rows of the jobs and their numbers and operations, by the jobs' own counts."""
        counts = " + ".join(["1", *(f"coalesce({column.name}, 0)" for column in COUNTS)])
        return int(self._one(f"select sum({counts}) from {_JOBS}") or 0)

    def rows(self, job_ids: Sequence[str]) -> list[tuple[Any, ...]]:
        """Whole rows of `jobs`, columns in the order of the schema."""
        if not job_ids:
            return []
        columns = ", ".join(map(as_text, JOBS.columns))
        sql = f"select {columns} from {_JOBS} where id in ({_marks(job_ids)})"
        return self.query(sql, job_ids)

    def open_job_ids(self, now: datetime, job_types: Sequence[str]) -> list[str]:
        """Jobs that may still change, the one read longest ago first."""
        where, parameters = _of_types(job_types)
        return self._ids(
            f"select id from {_JOBS} "
            f"where (status is null or status not in ({_marks(FINAL_STATUSES)})) "
            f"and (missing_since is null or missing_since > ?){where} order by observed_at, id",
            [*FINAL_STATUSES, now - _ASK_AGAIN, *parameters],
        )

    def visible_count(self, job_types: Sequence[str]) -> int:
        """Jobs that the API still showed when it was last asked."""
        where, parameters = _of_types(job_types)
        sql = f"select count(*) from {_JOBS} where missing_since is null{where}"
        return int(self._one(sql, parameters) or 0)

    def open_jobs_placed(
        self, job_types: Sequence[str]
    ) -> list[tuple[str, int | None, str | None]]:
        """Open jobs with their place in the list as of the last sync, from 1, and their status.

        A job among pruned ones, which the list still shows, has no known place.
        """
        return self._placed(
            f"status is null or status not in ({_marks(FINAL_STATUSES)})",
            FINAL_STATUSES,
            job_types,
        )

    def places(self, job_ids: Sequence[str], job_types: Sequence[str]) -> dict[str, int]:
        """The places of these jobs in the list as of the last sync; those not stored left out."""
        found = self._placed(f"id in ({_marks(job_ids)})", job_ids, job_types)
        return {job_id: place for job_id, place, _ in found if place is not None}

    def _placed(
        self, chosen: str, values: Sequence[str], job_types: Sequence[str]
    ) -> list[tuple[str, int | None, str | None]]:
        where, parameters = _of_types(job_types)
        before = self.removals.before
        known = "case when created_at >= ? then place end" if before else "place"
        rows = self.query(
            f"select id, {known}, status from (select id, status, created_at, "
            f"row_number() over (order by "
            f"case when created_at is null then 1 else 0 end, created_at desc, id) as place "
            f"from {_JOBS} where missing_since is null{where}) as placed where {chosen}",
            [*([before] if before else []), *parameters, *values],
        )
        return [
            (job_id, None if place is None else int(place), status)
            for job_id, place, status in rows
        ]

    def listed_job_ids(self, since: datetime | None, job_types: Sequence[str]) -> list[str]:
        """Jobs that the API still returned at the last request, created from `since` on."""
        where, parameters = _of_types(job_types)
        if since is not None:
            where += " and created_at >= ?"
            parameters.append(since)
        return self._ids(
            f"select id from {_JOBS} where missing_since is null{where} order by id", parameters
        )

    def parameters(self) -> Iterator[list[tuple[Any, ...]]]:
        """Ids of jobs with their parameters as JSON text, those that have any, some at a time."""
        last: str | None = ""
        while last is not None:
            rows = self.query(
                f"select id, cast(parameters as varchar) from {_JOBS} "
                f"where parameters is not null and id > ? order by id limit {_AT_ONCE}",
                [last],
            )
            last = rows[-1][0] if len(rows) == _AT_ONCE else None
            yield rows

    def rejected(self) -> dict[str | None, set[str]]:
        """Hashes of the records kept aside, by their job's id."""
        hashes: dict[str | None, set[str]] = {}
        for record_hash, job_id in self.query(f"select record_hash, job_id from {_REJECTED}", []):
            hashes.setdefault(job_id, set()).add(record_hash)
        return hashes

    def rejected_job_ids(self, now: datetime) -> list[str]:
        """Jobs with a recently rejected record: the API may return it whole by now."""
        return self._ids(
            f"select distinct job_id from {_REJECTED} "
            "where job_id is not null and observed_at > ? order by job_id",
            [now - _ASK_AGAIN],
        )

    def latest_observation(self) -> datetime | None:
        latest: datetime | None = self._one(f"select max(observed_at) from {_JOBS}")
        return latest

    def last_run_id(self) -> str:
        """Id of the newest run in the file; empty for none."""
        return str(self._one(f"select max(run_id) from {_RUNS}") or "")

    def newest_job_ids(self, count: int) -> list[str]:
        """The newest jobs that the API still returned at the last request."""
        return self._ids(
            f"select id from {_JOBS} where missing_since is null "
            f"order by case when created_at is null then 1 else 0 end, created_at desc, id "
            f"limit {count}",
            [],
        )

    def _one(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        rows = self.query(sql, parameters)
        return rows[0][0] if rows else None

    def _ids(self, sql: str, parameters: Iterable[Any]) -> list[str]:
        return [job_id for (job_id,) in self.query(sql, list(parameters))]


def as_text(column: Column) -> str:
    """A column in a query, JSON as text: some warehouses return it as anything else."""
    return f"cast({column.name} as varchar)" if column.type == "json" else column.name


def _marks(values: Sequence[Any]) -> str:
    # `in ()` is not SQL, `in (null)` is true for nothing
    return ", ".join("?" * len(values)) or "null"


def _of_types(job_types: Sequence[str]) -> tuple[str, list[Any]]:
    return (f" and type in ({_marks(job_types)})" if job_types else ""), list(job_types)


NOTHING_LOADED = Loaded(lambda sql, parameters: [], has_tables=False, takes_appends=False)
"""A destination without tables, as before a first load."""
