"""Which of the records differ from what is stored, as the tables of one load at a time.

A load holds a job once: another version of it waits for the next load.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from telnyx_jobs.api.models import Record, Rejected
from telnyx_jobs.schema import JOB_PARAMETERS, JOBS, MARKER, REJECTED_RECORDS
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.source.flatten import (
    Observed,
    job_tables,
    rejected_table,
    stored_jobs_table,
    stored_parameters_table,
)
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.page_cache import Found


@dataclass
class _Package:
    """What the tables of one load are made from."""

    hashes: dict[str, str] = field(default_factory=dict)
    updated: dict[str, datetime | None] = field(default_factory=dict)
    """By job, what the package holds of it: the hash of its content, and its updated_at."""
    reappeared: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    rejected: dict[str | None, dict[str, tuple[Rejected, datetime]]] = field(default_factory=dict)
    """By the job's id and the record's hash."""
    no_longer_rejected: set[str] = field(default_factory=set)
    rows: int = 0


class Changes:
    """The changes of a run, package by package; counts go into `counts`, `now` returns UTC."""

    def __init__(self, loaded: Loaded, counts: Counts, now: Callable[[], datetime]) -> None:
        self.appends = False
        """Whether the package goes into empty tables, with nothing to replace."""
        self._loaded = loaded
        self._counts = counts
        self._now = now
        self._rejected_before = loaded.rejected()
        """Hashes of the records kept aside, by their job's id."""
        self._unknown_fields: set[str] = set()
        self._held: list[Found] = []
        self._held_vanished: list[str] = []
        """What must wait for the next package, as this one has a row of the same jobs already."""
        self._package = _Package()

    def begin(self) -> list[Found]:
        """Begin the next package; returns the records that waited for it."""
        self._package = _Package(vanished=self._held_vanished)
        self.appends = self._loaded.can_append()
        held, self._held = self._held, []
        return held

    @property
    def rows(self) -> int:
        """Rows of the package so far."""
        return self._package.rows

    def waiting(self) -> list[str]:
        """Jobs whose newer version did not fit into this package: a further one is needed."""
        return [record.job_id for record, _ in self._held if record.job_id] + self._held_vanished

    def vanish(self, job_id: str) -> None:
        """The API does not know this job, which was requested."""
        self._package.vanished.append(job_id)

    def tables(self, found: list[Found]) -> dict[str, pa.Table]:
        """Tables of the jobs that are not stored as they are now. Empties `found`."""
        newest: dict[str, tuple[Record, datetime]] = {}
        for record, at in found:
            if isinstance(record, Rejected):
                records = self._package.rejected.setdefault(record.job_id, {})
                records.setdefault(record.content_hash(), (record, at))
            else:
                self._accept(record)
                before_it = newest.get(record.job_id)
                if before_it and is_older(record, before_it[0].job.updated_at):
                    self._counts.stale_answers += 1
                    continue
                newest[record.job_id] = (record, at)
        found.clear()
        loaded = self._loaded.versions(list(newest))
        changed: list[Observed] = []
        for job_id, (record, at) in newest.items():
            content_hash = record.content_hash()
            in_package = self._package.hashes.get(job_id)
            before = loaded.get(job_id)
            newer = self._package.updated.get(job_id) or (before and before.updated_at)
            if is_older(record, newer):
                # replicas that lag behind take turns with those that do not
                self._counts.stale_answers += 1
            elif in_package is not None:
                if in_package != content_hash:
                    # one load holds a job once: the newer version goes into the next package
                    self._held.append((record, at))
            elif before is None or before.content_hash != content_hash:
                self._package.hashes[job_id] = content_hash
                self._package.updated[job_id] = record.job.updated_at
                changed.append(Observed(record, content_hash, at))
            elif before.is_missing:
                self._package.reappeared.append(job_id)
        self._counts.jobs_changed += len(changed)
        return self._counted(job_tables(changed, marked=not self.appends))

    def parameter_tables(self) -> Iterator[dict[str, pa.Table]]:
        """Parameters of the loaded jobs, from their JSON: what a version before their table left.

        Without those of the package's jobs, whose rows it has already.
        """
        for rows in self._loaded.parameters():
            kept = [(i, text) for i, text in rows if i not in self._package.hashes]
            yield self._counted({JOB_PARAMETERS.name: stored_parameters_table(kept)})

    def closing_tables(self) -> Iterator[dict[str, pa.Table]]:
        """Tables of what only the whole package shows: jobs gone and back, rejected records."""
        package = self._package
        self._held_vanished = [i for i in package.vanished if i in package.hashes]
        vanished = [
            job_id
            for job_id, version in self._loaded.versions(package.vanished).items()
            if not version.is_missing and job_id not in package.hashes
        ]
        # a page kept by a killed run may show a job that is gone by now
        reappeared = {*package.reappeared} - {*package.vanished} - package.hashes.keys()
        for job_ids, missing_since in ((vanished, self._now()), (sorted(reappeared), None)):
            rows = self._loaded.rows(job_ids)
            yield self._counted({JOBS.name: stored_jobs_table(rows, missing_since)})
        kept = {
            record_hash: (record, at)
            for job_id, records in package.rejected.items()
            for record_hash, (record, at) in records.items()
            if record_hash not in self._rejected_before.get(job_id, ())
        }
        for record_hash, (record, _) in kept.items():
            self._rejected_before.setdefault(record.job_id, set()).add(record_hash)
        table = rejected_table(kept, sorted(package.no_longer_rejected - kept.keys()))
        yield self._counted({REJECTED_RECORDS.name: table})

    def _accept(self, record: Record) -> None:
        """Note that the record was read whole, and its unknown fields."""
        self._unknown_fields |= record.unknown_fields()
        self._counts.unknown_fields = sorted(self._unknown_fields)
        self._package.rejected.pop(record.job_id, None)
        self._package.no_longer_rejected |= self._rejected_before.pop(record.job_id, set())

    def _counted(self, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
        for name, table in tables.items():
            markers = 0
            if MARKER in table.column_names:
                markers = len(table) - table[MARKER].null_count
            self._counts.rows[name] += len(table) - markers
            self._package.rows += len(table) - markers
        return tables


def is_older(record: Record, than: datetime | None) -> bool:
    """Whether the API had changed the job already when it answered with this record."""
    return bool(than and record.job.updated_at and record.job.updated_at < than)
