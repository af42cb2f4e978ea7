"""An export in a folder: it replaces an older one whole, by rename."""

import ctypes
import fcntl
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from telnyx_jobs.errors import BadConfiguration, CannotWrite
from telnyx_jobs.export.tables import MANIFEST, Exported, reason, refuse_missing, write
from telnyx_jobs.files import sync_to_disk
from telnyx_jobs.progress import Report, nothing

_REPLACED = "-replaced"
"""Suffix of an old export that is set aside for a moment."""
_SWAP = 2
"""RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS."""
_AT_FDCWD = -100


def export(database: Path, folder: Path, export_id: str, report: Report = nothing) -> Exported:
    """Write the published file to the folder, and replace an older export.

    Raises BadConfiguration if the file is missing or the folder holds anything else, and
    CannotWrite.
    """
    folder = folder.resolve()
    refuse_missing(database)
    _refuse_other_content(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _delete_leftovers(folder)
        with _part_beside(folder, export_id) as part:
            exported = write(database, part, export_id, report)
            hand_over(part)
            _swap_in(part, folder)
    except (OSError, duckdb.IOException) as error:
        raise CannotWrite(
            f"{folder} cannot be written ({reason(error)}): make room, or give another --to"
        ) from None
    return exported


def _refuse_other_content(folder: Path) -> None:
    """Raises BadConfiguration if an export would replace something else."""
    try:
        is_free = not folder.exists() or (folder / MANIFEST).is_file() or not any(folder.iterdir())
    except NotADirectoryError:
        is_free = False
    except OSError as error:
        raise CannotWrite(f"{folder} cannot be read ({reason(error)}): give another --to") from None
    if not is_free:
        raise BadConfiguration(
            f"{folder} holds something other than an export, which would be lost: give another --to"
        )


@contextmanager
def _part_beside(place: Path, export_id: str) -> Iterator[Path]:
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


def _delete_leftovers(place: Path) -> None:
    """Delete what killed exports left; a running one holds its lock, and is kept."""
    for leftover in place.parent.glob(f".{glob.escape(place.name)}.part-*"):
        if leftover.name.endswith(".state"):
            # of a sync, into a database of such a name
            continue
        if leftover.name.endswith(_REPLACED) and not place.exists():
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


def hand_over(part: Path) -> None:
    """Make an export readable for everybody, as the published file is, and durable."""
    for path in (part, *part.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o444)
        sync_to_disk(path)


def _swap_in(part: Path, folder: Path) -> None:
    """Replace the folder by the new export; an old one is then in the part folder."""
    if not folder.exists():
        part.rename(folder)
    elif not _exchange(part, folder):
        # this file system cannot exchange two names, so for a moment the export is missing.
        replaced = part.with_name(part.name + _REPLACED)
        folder.rename(replaced)
        part.rename(folder)
        replaced.rename(part)
    sync_to_disk(folder.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False if the system cannot."""
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if hasattr(library, "renameat2"):
        return not library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _SWAP)
    return hasattr(library, "renamex_np") and not library.renamex_np(*names, _SWAP)
