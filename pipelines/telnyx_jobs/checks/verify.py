"""Whether the published data still equals the API's: tests, totals and a sample of jobs."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Page, Record
from telnyx_jobs.destinations.base import Destination, Reader, known_removals, published
from telnyx_jobs.progress import Report
from telnyx_jobs.run.keys import forgotten_of, kept_mask
from telnyx_jobs.run.sync import open_client
from telnyx_jobs.schema import CHILDREN, FINAL_STATUSES, JOBS, MARKER, RAW_SCHEMA
from telnyx_jobs.settings import Settings
from telnyx_jobs.source.account import AccountCheck
from telnyx_jobs.source.flatten import Observed, job_tables
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.removals import Removals
from telnyx_jobs.source.state import kept_state
from telnyx_jobs.source.stored_records import NOT_OF_API, comparable, key_of, stored_rows

SAMPLE = 25
"""How many jobs are retrieved and compared; all of them if there are fewer."""


class Difference(NamedTuple):
    """One field in which file and API differ."""

    subject: str
    field: str
    in_file: str
    at_api: str


@dataclass
class Verified:
    """What was found: no difference if the data is what the API said at the last sync."""

    differences: list[Difference] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """Jobs that changed at Telnyx since the last sync, and so say nothing about the data."""


def verify(
    settings: Settings, destination: Destination, report: Report, *, sample: int = SAMPLE
) -> Verified:
    """Compare what is published with itself and with the API.

    Raises as the client does, and BadConfiguration for the key of another account.
    """
    found = Verified()
    with published(destination) as reader:
        mask = kept_mask(destination.place, reader.query)
        removals = known_removals(reader)
        forgotten = forgotten_of(destination.place, removals)
        with open_client(settings, report, forgotten, mask) as client:
            page = client.page(1)
            AccountCheck(client, Loaded(reader.query, removals=removals)).confirm(page.job_ids())
            report("test")
            found.differences += _tests(reader)
            found.differences += _totals(reader, page, removals, found.changed)
            found.differences += _jobs(reader, client, report, sample, found.changed)
    return found


def _tests(reader: Reader) -> Iterator[Difference]:
    for name, rows in reader.failed_tests().items():
        for row in rows:
            yield Difference(name, "data test", str(row), "")


def _totals(
    reader: Reader, page: Page, removals: Removals, changed: list[str]
) -> Iterator[Difference]:
    """The number of jobs, unless the data was filled from a date on."""
    state = kept_state(reader.query)
    if state is None or state.since or "*" not in state.spans:
        return
    ((known, rejected),) = reader.query(
        f"select count(*), (select count(distinct coalesce(job_id, record_hash)) "
        f"from {RAW_SCHEMA}.rejected_records where job_id is null or job_id not in "
        f"(select id from {RAW_SCHEMA}.jobs where missing_since is null)) "
        f"from {RAW_SCHEMA}.jobs where missing_since is null"
    )
    total = page.total_results
    new = _unknown(reader, [record.job_id for record in page.records])
    # whether the API still shows a rejected record, or a pruned job, is unknown
    hidden = removals.hidden_jobs
    most = total if hidden is None else known + rejected + hidden
    if total is not None and most is not None and total > most and new:
        # the newest job is not loaded: as many as there are more were created since the sync
        changed += new
        return
    if total is not None and most is not None and not known <= total <= most:
        yield Difference("all jobs", "number", f"{known}", f"{total}; sync --full finds which")


def _unknown(reader: Reader, job_ids: list[str | None]) -> list[str]:
    """Those of the jobs that no table holds."""
    known = f"select 1 from {RAW_SCHEMA}.jobs where id = ?"
    rejected = f"select 1 from {RAW_SCHEMA}.rejected_records where job_id = ?"
    asked = [job_id for job_id in job_ids if job_id]
    return [i for i in asked if not reader.query(known, [i]) and not reader.query(rejected, [i])]


def _jobs(
    reader: Reader, client: Client, report: Report, sample: int, changed: list[str]
) -> Iterator[Difference]:
    jobs = {
        job_id: (status, updated_at)
        for job_id, status, updated_at in reader.query(
            f"select id, status, updated_at from {RAW_SCHEMA}.jobs "
            "where missing_since is null order by id"
        )
    }
    # as long as nothing new is published, the same jobs are looked at
    ((seed,),) = reader.query(f"select max(run_id) from {RAW_SCHEMA}.sync_runs")
    asked = sorted(random.Random(seed).sample(sorted(jobs), min(sample, len(jobs))))
    for done, job_id in enumerate(asked, start=1):
        record = client.job(job_id)
        report("retrieve", done=done, total=len(asked))
        if isinstance(record, Record):
            differences = list(_differences(reader, record))
            status, updated_at = jobs[job_id]
            if differences and _has_moved_on(record, status, updated_at):
                changed.append(job_id)
            else:
                yield from differences
        else:
            said = "unknown (404)" if record is None else f"unusable: {record.reason}"
            yield Difference(job_id, "job", "there", said)


def _has_moved_on(record: Record, status: str | None, updated_at: datetime | None) -> bool:
    """Whether the job was open at the last sync, or was updated since."""
    now = record.job.updated_at
    is_updated = now is not None and updated_at is not None and now > updated_at
    return is_updated or status not in FINAL_STATUSES


def _differences(reader: Reader, record: Record) -> Iterator[Difference]:
    """Field by field, the values of one job in the file and in the API."""
    at_api = job_tables([Observed(record, "", datetime.now(UTC))])
    for table in (JOBS, *CHILDREN):
        columns = [column for column in table.column_names if column not in NOT_OF_API]
        said = {
            key_of(table, row): row for row in at_api[table.name].to_pylist() if not row.get(MARKER)
        }
        kept = {
            key_of(table, row): row for row in stored_rows(reader.query, table, [record.job_id])
        }
        for key in sorted(kept.keys() | said.keys(), key=str):
            ours, theirs = kept.get(key, {}), said.get(key, {})
            for column in columns:
                if comparable(ours.get(column)) != comparable(theirs.get(column)):
                    place = "" if table is JOBS else f"{table.name}{list(key[1:])}."
                    yield Difference(
                        record.job_id,
                        f"{place}{column}",
                        _shown(ours, column),
                        _shown(theirs, column),
                    )


def _shown(row: dict[str, Any], column: str) -> str:
    return str(row[column]) if column in row else "no such row"
