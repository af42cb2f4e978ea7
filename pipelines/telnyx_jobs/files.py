"""Files on disk: durable writes."""

import errno
import os
from pathlib import Path
from tempfile import mkstemp


def sync_to_disk(path: Path) -> None:
    """Write a file, or the names in a folder, durably to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes, *, mode: int = 0o600, is_durable: bool = True) -> None:
    """Write a file whole or not at all, instead of one that exists.

    If it is not durable, a machine that goes down may leave it cut short. Raises OSError.
    """
    descriptor, part = mkstemp(dir=path.parent, prefix=f".{path.name[:200]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, mode)
            file.flush()
            if is_durable:
                os.fsync(descriptor)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
    if is_durable:
        sync_to_disk(path.parent)


def append_line(path: Path, line: str) -> None:
    """Append the whole line or, on a full disk, nothing of it. The file is private."""
    content = f"{line}\n".encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        written = os.write(descriptor, content)
        if written < len(content):
            os.ftruncate(descriptor, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)
