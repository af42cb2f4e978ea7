"""List pages that are read but not yet published, kept for the run after a killed one.

One file per page in the private state folder, each written whole by rename and valid only for the
published file that the run began with. Deleted as soon as their rows are published.
"""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from telnyx_jobs.api.models import Job, Record, Rejected
from telnyx_jobs.files import write_whole
from telnyx_jobs.source.state import KeptState

Found = tuple[Record | Rejected, datetime]
"""A record and when the API said it."""


class _Entry(msgspec.Struct):
    at: datetime
    job: Job | None = None
    unknown: dict[str, Any] | None = None
    rejected: Rejected | None = None


class _File(msgspec.Struct):
    base: str
    state: KeptState = msgspec.field(name="coverage")
    entries: list[_Entry]
    key: str = ""


class PageCache:
    """The pages of an unfinished walk. `base` names the published data that they add to, and `key`
    is a fingerprint of the API key that they were read with.

    A read-only cache replays what a killed run left, and changes nothing.
    """

    def __init__(self, folder: Path, *, is_read_only: bool = False) -> None:
        self.base = ""
        self.key = ""
        self._is_read_only = is_read_only
        self._folder = folder
        self._count = 0

    def append(self, found: list[Found], state: KeptState) -> None:
        """Keep one more page."""
        if self._is_read_only:
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        content = msgspec.json.encode(
            _File(self.base, state, [_entry(each) for each in found], self.key)
        )
        write_whole(self._path(self._count), content, is_durable=False)
        self._count += 1

    def is_of_key(self) -> bool:
        """Whether the first page was read with the same key."""
        file = self._read(0)
        return file is not None and file.key == self.key != ""

    def first_job_ids(self, base: str, count: int) -> list[str]:
        """Some jobs of the first page kept for this base, none without such a page."""
        file = self._read(0)
        if file is None or file.base != base:
            return []
        return [entry.job.id for entry in file.entries if entry.job][:count]

    def replay(self, base: str) -> Iterator[tuple[list[Found], KeptState]]:
        """The pages kept for this base, in order; any others are deleted.

        Each with its records, and with what was read of the list including it.
        """
        while (file := self._read(self._count)) is not None and file.base == base:
            self._count += 1
            yield [_found(entry) for entry in file.entries], file.state
        if self._is_read_only:
            return
        for path in self._folder.glob("*.json"):
            if path >= self._path(self._count):
                path.unlink()

    def clear(self) -> None:
        """Delete every page."""
        if self._is_read_only:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        self._count = 0

    def _read(self, number: int) -> _File | None:
        try:
            return msgspec.json.decode(self._path(number).read_bytes(), type=_File)
        except (FileNotFoundError, ValueError):
            # the end, or a file cut off when the machine went down
            return None

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06}.json"


def _entry(found: Found) -> _Entry:
    record, at = found
    if isinstance(record, Rejected):
        return _Entry(at, rejected=record)
    return _Entry(at, job=record.job, unknown=record.unknown)


def _found(entry: _Entry) -> Found:
    if entry.job is None:
        assert entry.rejected is not None
        return entry.rejected, entry.at
    return Record(entry.job, entry.unknown), entry.at
