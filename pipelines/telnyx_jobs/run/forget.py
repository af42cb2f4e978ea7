"""Removing phone numbers for good: from the data, the files beside it, and later answers.

A row stays where it is, with a fixed word instead of the number and without its id, so positions,
counts and rates stay as they are. The published data also holds a keyed fingerprint of the number.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from telnyx_jobs.api.models import Rejected
from telnyx_jobs.destinations.base import Destination
from telnyx_jobs.destinations.place import Place
from telnyx_jobs.files import write_whole
from telnyx_jobs.run.exports import writing_exports
from telnyx_jobs.run.keys import forget_key, kept_mask
from telnyx_jobs.run.removed import (
    Removed,
    delete,
    delete_files,
    insert,
    note,
    removing,
    update,
)
from telnyx_jobs.schema import (
    CHILDREN,
    FORGOTTEN,
    JOB_OBSERVATIONS,
    JOB_OPERATIONS,
    JOB_PHONE_NUMBERS,
    JOBS,
    RAW_SCHEMA,
    REJECTED_RECORDS,
    ROW_HASH,
    SYNC_RUNS,
    Table,
)
from telnyx_jobs.settings import Settings
from telnyx_jobs.source.flatten import Observed, job_tables
from telnyx_jobs.source.forgetting import ID, NUMBER, Forgotten, fingerprint_of, key_id
from telnyx_jobs.source.query import Query
from telnyx_jobs.source.record_texts import digits_of
from telnyx_jobs.source.removals import kept_removals
from telnyx_jobs.source.stored_records import (
    NOT_OF_API,
    Row,
    Stored,
    comparable,
    key_of,
    stored_jobs,
)

_AT_ONCE = 100
"""Jobs that are read together: up to some 50,000 rows."""


@dataclass(kw_only=True)
class Forgot(Removed):
    """`asked` numbers and ids were given, of which `found` were in the data or beside it."""

    asked: int = 0
    found: int = 0


@dataclass
class _Known:
    """What belongs together: a number's digits, its ids, and how the data writes it."""

    numbers: set[str]
    ids: set[str]
    masks: set[str] = field(default_factory=set)
    is_found: bool = False

    def forgotten(self, key: bytes) -> Forgotten:
        return Forgotten(
            key,
            {fingerprint_of(key, NUMBER, number) for number in self.numbers},
            {fingerprint_of(key, ID, each) for each in self.ids},
            self.masks,
        )


def forget(
    settings: Settings, destination: Destination, numbers: Sequence[str], ids: Sequence[str]
) -> Forgot:
    """Forget numbers in E.164 form and ids, each with what the data shows to belong to it.

    Raises TelnyxJobsError; then nothing is forgotten.
    """
    result = Forgot(database=destination.name, asked=len(numbers) + len(ids))
    with removing(settings, destination, result):
        destination.remove(lambda: _Forgetting(destination, result).forget(numbers, ids))
    return result


class _Forgetting:
    """One change of what the destination has opened."""

    def __init__(self, destination: Destination, result: Forgot) -> None:
        self._query: Query = destination.query
        self._place: Place = destination.place
        self._result = result

    def forget(self, numbers: Sequence[str], ids: Sequence[str]) -> None:
        query = self._query
        key = forget_key(self._place, kept_removals(query))
        mask = kept_mask(self._place, query)
        known = [_Known({digits_of(number)}, set()) for number in dict.fromkeys(numbers)]
        known += [_Known(set(), {each}) for each in dict.fromkeys(ids)]
        for each in known:
            if mask:
                each.masks |= {
                    mask.number(spelled) for n in each.numbers for spelled in _spelled(n)
                }
            self._complete(each)
            for kind, values in ((NUMBER, each.numbers), (ID, each.ids)):
                for value in sorted(values):
                    mark = fingerprint_of(key, kind, value)
                    note(query, kind, mark, key_id=key_id(key))
        self._all = [(each, each.forgotten(key)) for each in known]
        self._change_jobs(self._holding(known))
        self._change_observations()
        self._change_rejected()
        self._change_runs()
        self._result.files += [*delete_files(self._place), *self._change_notes()]
        self._result.found = sum(each.is_found for each in known)

    # what belongs to a number

    def _complete(self, known: _Known) -> None:
        """Add the number of an id, and the ids of a number; not an id of several numbers."""
        for i in sorted(known.ids):
            written = {number for _, number in self._pairs("phone_number_id = ?", [i]) if number}
            if len(written) == 1:
                for number in written:
                    self._add_written(known, number)
        spelled = sorted({s for n in known.numbers for s in _spelled(n)})
        written = {number for n in spelled for _, number in self._pairs(_SAME_DIGITS, [n])}
        for number in sorted({*filter(None, written), *known.masks}):
            for i, _ in self._pairs("phone_number = ?", [number]):
                others = {n for _, n in self._pairs("phone_number_id = ?", [i]) if n}
                if i and all(n in known.masks or digits_of(n) in spelled for n in others):
                    known.ids.add(i)

    def _add_written(self, known: _Known, number: str) -> None:
        if "-" in number and number.startswith("+"):
            known.masks.add(number)
        elif digits := digits_of(number):
            known.numbers.add(digits)

    def _pairs(self, where: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
        tables = (JOB_PHONE_NUMBERS, JOB_OPERATIONS)
        selects = [
            f"select phone_number_id, phone_number from {RAW_SCHEMA}.{table.name} where {where}"
            for table in tables
        ]
        return self._query(" union ".join(selects), [*values] * len(tables))

    # the data

    def _holding(self, known: Sequence[_Known]) -> list[str]:
        """Jobs that may hold one of them: digits and ids anywhere in their texts."""
        jobs: set[str] = set()
        for each in known:
            # the shortest spelling is in all others
            digits = [min(_spelled(n), key=len) for n in sorted(each.numbers)]
            words = [*sorted(each.ids), *sorted(m.rpartition("-")[2] for m in each.masks)]
            for table in (JOBS, *CHILDREN):
                jobs |= self._search(table, digits, words)
        return sorted(jobs)

    def _search(self, table: Table, digits: Sequence[str], words: Sequence[str]) -> set[str]:
        key = table.columns[0].name
        texts = [
            f"cast({column.name} as varchar)"
            for column in table.columns
            if column.type in ("text", "json") and column.name not in (key, "outcome", ROW_HASH)
        ]
        tests = [f"regexp_replace({t}, '[^0-9]', '', 'g') like ?" for t in texts for _ in digits]
        tests += [f"{text} like ?" for text in texts for _ in words]
        wanted = [f"%{d}%" for _ in texts for d in digits]
        wanted += [f"%{_literally(w)}%" for _ in texts for w in words]
        sql = f"select distinct {key} from {RAW_SCHEMA}.{table.name} where {' or '.join(tests)}"
        return {job_id for (job_id,) in self._query(sql, wanted)}

    def _change_jobs(self, job_ids: Sequence[str]) -> None:
        for first in range(0, len(job_ids), _AT_ONCE):
            for stored in stored_jobs(self._query, job_ids[first : first + _AT_ONCE]):
                self._result.jobs += self._change_job(stored)

    def _change_job(self, stored: Stored) -> bool:
        """Change the rows that hold something forgotten; returns whether one did."""
        record = stored.record
        for known, forgotten in self._all:
            before = record.content_hash()
            forgotten.record(record)
            known.is_found |= record.content_hash() != before
        # else the next sync that reads the job writes it once more
        content_hash = record.content_hash() if stored.is_exact else FORGOTTEN
        observed = Observed(record, content_hash, datetime.now(UTC))
        changed = 0
        for name, rows in job_tables([observed], marked=False).items():
            table = next((each for each in (JOBS, *CHILDREN) if each.name == name), None)
            if table is not None:
                new = {key_of(table, row): row for row in rows.to_pylist()}
                count = self._change_rows(table, stored.rows[name], new)
                self._result.rows[name] += count
                changed += count
        if changed:
            update(self._query, JOBS, [record.job_id], {ROW_HASH: content_hash})
        return bool(changed)

    def _change_rows(self, table: Table, old: Mapping[Any, Row], new: Mapping[Any, Row]) -> int:
        changed = 0
        for key in old.keys() - new.keys():
            delete(self._query, table, key)
            changed += 1
        for key, row in new.items():
            if key not in old:
                insert(self._query, table, row)
                changed += 1
                continue
            values = {
                name: value
                for name, value in row.items()
                if name not in NOT_OF_API and comparable(value) != comparable(old[key][name])
            }
            if values:
                update(self._query, table, key, values)
                changed += 1
        return changed

    def _change_observations(self) -> None:
        """A status that this program does not know is a text of the API, too."""
        table = f"{RAW_SCHEMA}.{JOB_OBSERVATIONS.name}"
        for status, count in self._query(
            f"select status, count(*) from {table} where status is not null group by status", []
        ):
            without = self._without(status)
            if without != status:
                self._query(f"update {table} set status = ? where status = ?", [without, status])
                self._result.rows[JOB_OBSERVATIONS.name] += count

    def _change_rejected(self) -> None:
        names = ["record_hash", "job_id", "reason", "record", "observed_at"]
        sql = f"select {', '.join(names)} from {RAW_SCHEMA}.{REJECTED_RECORDS.name}"
        rows = {row[0]: dict(zip(names, row, strict=True)) for row in self._query(sql, [])}
        for record_hash, row in sorted(rows.items()):
            record = Rejected(row["job_id"], row["reason"] or "", row["record"] or "")
            reason, text = self._without(record.reason), self._without(record.text, is_json=True)
            if (reason, text) == (record.reason, record.text):
                continue
            record.reason, record.text = reason, text
            delete(self._query, REJECTED_RECORDS, [record_hash])
            new_hash = record.content_hash()
            if new_hash not in rows:
                changed = {"record_hash": new_hash, "reason": record.reason, "record": record.text}
                rows[new_hash] = row | changed
                insert(self._query, REJECTED_RECORDS, rows[new_hash])
            self._result.rows[REJECTED_RECORDS.name] += 1

    def _change_runs(self) -> None:
        """Fields and pointers that a sync has met may hold a number, too."""
        names = ("new_failures", "unknown_fields", "unknown_job_ids")
        columns = ", ".join(f"cast({name} as varchar)" for name in names)
        runs = self._query(f"select run_id, {columns} from {RAW_SCHEMA}.{SYNC_RUNS.name}", [])
        for run_id, *texts in runs:
            values = {
                name: without
                for name, text in zip(names, texts, strict=True)
                if text and (without := self._without(text, is_json=True)) != text
            }
            if values:
                update(self._query, SYNC_RUNS, [run_id], values)
                self._result.rows[SYNC_RUNS.name] += 1

    def _change_notes(self) -> Iterator[str]:
        """Take them out of what failed runs have said, and out of the names of exports."""
        with writing_exports(self._place):
            for path in (self._place.runs, self._place.exports):
                if not path.exists():
                    continue
                text = path.read_text(encoding="utf-8")
                without = self._without(text, is_json=True)
                if without != text:
                    write_whole(path, without.encode())
                    yield path.name

    def _without(self, text: str, *, is_json: bool = False) -> str:
        for known, forgotten in self._all:
            changed = forgotten.json_text(text) if is_json else forgotten.text(text)
            known.is_found |= changed != text
            text = changed
        return text


_SAME_DIGITS = "regexp_replace(phone_number, '[^0-9]', '', 'g') = ?"


def _spelled(digits: str) -> list[str]:
    """The digits of a number, in North America also without the calling code."""
    return [digits, digits[1:]] if len(digits) == 11 and digits[0] == "1" else [digits]


def _literally(text: str) -> str:
    """The text as JSON writes it inside a string, for `like`: `_` may stand for anything."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("\\", "_").replace("%", "_")
