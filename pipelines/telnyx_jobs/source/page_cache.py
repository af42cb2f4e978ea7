"""List pages that are read but not yet published, kept so that a killed run's successor has them.

One file per page in the private state folder, each written whole by rename and valid only for the
published file that the run began with. Deleted as soon as their rows are published.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from telnyx_jobs.api.models import Job, Record, Rejected

Found = tuple[Record | Rejected, datetime]
"""A record and when the API said it."""


class _Entry(msgspec.Struct):
    at: datetime
    job: Job | None = None
    unknown: dict[str, Any] | None = None
    rejected: Rejected | None = None


class _File(msgspec.Struct):
    base: str
    coverage: dict[str, Any]
    entries: list[_Entry]


@dataclass(frozen=True)
class Spooled:
    """The records of one page, and what had been read of the list with it."""

    found: list[Found]
    coverage: dict[str, Any]


class Spool:
    """The pages of a sweep that is under way. `base` names the file that they go on top of."""

    def __init__(self, folder: Path) -> None:
        self.base = ""
        self._folder = folder
        self._count = 0

    def append(self, found: list[Found], coverage: dict[str, Any]) -> None:
        """Keep one more page."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        content = msgspec.json.encode(_File(self.base, coverage, [_entry(each) for each in found]))
        part = self._folder / "part"
        part.touch(mode=0o600)
        part.write_bytes(content)
        part.rename(self._path(self._count))
        self._count += 1

    def replay(self, base: str) -> Iterator[Spooled]:
        """The pages kept on top of this base, in order; any others are deleted."""
        while self._path(self._count).exists():
            try:
                file = msgspec.json.decode(self._path(self._count).read_bytes(), type=_File)
            except ValueError:
                # cut short by a machine that went down
                break
            if file.base != base:
                break
            self._count += 1
            yield Spooled([_found(entry) for entry in file.entries], file.coverage)
        for path in self._folder.glob("*.json"):
            if path >= self._path(self._count):
                path.unlink()

    def clear(self) -> None:
        """Delete every page."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._count = 0

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
