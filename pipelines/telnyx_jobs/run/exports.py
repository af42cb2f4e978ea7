"""`exports.json`: where the published file was exported to, which `forget` names."""

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from telnyx_jobs.destinations.place import Place
from telnyx_jobs.errors import TelnyxJobsError
from telnyx_jobs.files import write_whole
from telnyx_jobs.progress import Report
from telnyx_jobs.text import reason_of


class KnownExport(msgspec.Struct):
    """The newest export to one place: a folder, or `s3://bucket/prefix`."""

    to: str
    format: str
    exported_at: datetime


def note_export(place: Place, to: str, format_: str, report: Report) -> None:
    """Keep where an export has gone. That this fails is only a warning: the export stands."""
    new = KnownExport(to, format_, datetime.now(UTC).replace(microsecond=0))
    try:
        place.make()
        # two exports at the same time add one after the other
        descriptor = os.open(place.state, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            kept = [each for each in _read(place.exports) if each.to != to]
            write_whole(place.exports, msgspec.json.encode([*kept, new]))
        finally:
            os.close(descriptor)
    except (OSError, TelnyxJobsError) as error:
        message = f"forget will not name this export, as it cannot be noted: {reason_of(error)}"
        report("warning", message=message)


def known_exports(place: Place) -> list[KnownExport]:
    """The exports, the newest last; without folders that do not exist any more."""
    found = _read(place.exports)
    return sorted(
        (each for each in found if "://" in each.to or Path(each.to).exists()),
        key=lambda each: (each.exported_at, each.to),
    )


def _read(path: Path) -> list[KnownExport]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[KnownExport])
    except (FileNotFoundError, ValueError):
        return []
