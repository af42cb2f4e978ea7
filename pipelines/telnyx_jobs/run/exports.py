"""`exports.json`: where the published file was exported to, which `forget` and `prune` name."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from telnyx_jobs.destinations.base import Destination, known_removals, published
from telnyx_jobs.destinations.place import Place
from telnyx_jobs.errors import TelnyxJobsError
from telnyx_jobs.files import write_whole
from telnyx_jobs.progress import Report
from telnyx_jobs.run.keys import forgotten_of
from telnyx_jobs.schema import FORGOTTEN
from telnyx_jobs.text import reason_of


class KnownExport(msgspec.Struct):
    """The newest export to one place: a folder, or `s3://bucket/prefix`."""

    to: str
    format: str
    exported_at: datetime


def note_export(destination: Destination, to: str, format_: str, report: Report) -> None:
    """Keep where an export has gone. That this fails is only a warning: the export stands."""
    place = destination.place
    try:
        with destination.errors(), published(destination) as reader:
            forgotten = forgotten_of(place, known_removals(reader))
        if forgotten:
            # who exports again after `forget` uses the same place
            to = forgotten.text(to)
        new = KnownExport(to, format_, datetime.now(UTC).replace(microsecond=0))
        place.make()
        with writing_exports(place):
            kept = [each for each in _read(place.exports) if each.to != to]
            write_whole(place.exports, msgspec.json.encode([*kept, new]))
    except (OSError, TelnyxJobsError) as error:
        message = (
            f"forget and prune will not name this export, as it cannot be noted: {reason_of(error)}"
        )
        report("warning", message=message)


def known_exports(place: Place) -> list[KnownExport]:
    """The exports, the newest last; without folders that do not exist any more.

    A place whose name held a forgotten number is kept: where it is cannot be seen.
    """
    return sorted(
        (each for each in _read(place.exports) if _may_exist(each.to)),
        key=lambda each: (each.exported_at, each.to),
    )


@contextmanager
def writing_exports(place: Place) -> Iterator[None]:
    """Holds a lock, so that exports at the same time and `forget` change the file in turn."""
    descriptor = os.open(place.state, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _may_exist(to: str) -> bool:
    return "://" in to or FORGOTTEN in to or Path(to).exists()


def _read(path: Path) -> list[KnownExport]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[KnownExport])
    except (FileNotFoundError, ValueError):
        return []
