"""The private folder that an export is written into before it is moved or uploaded."""

import fcntl
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPLACED = "-replaced"
"""Suffix of an old export that is set aside for a moment."""


@contextmanager
def part_beside(place: Path, export_id: str) -> Iterator[Path]:
    """A folder beside the place to write into, mode 0700, locked, and deleted in the end.

    At the end it holds the replaced export, or the parts of one that failed.
    """
    part = place.with_name(f".{place.name}.part-{export_id}")
    part.mkdir(mode=0o700)
    descriptor = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(descriptor)


def delete_leftovers(place: Path) -> None:
    """Delete what killed exports left; a running one holds its lock, and is kept."""
    for leftover in place.parent.glob(f".{glob.escape(place.name)}.part-*"):
        if leftover.name.endswith(".state"):
            # of a sync, into a database of such a name
            continue
        if leftover.name.endswith(REPLACED) and not place.exists():
            # killed between the two renames of a swap
            leftover.rename(place)
            continue
        descriptor = os.open(leftover, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(leftover)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)
