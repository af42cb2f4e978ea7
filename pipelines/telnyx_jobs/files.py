"""Files on disk: durable writes."""

import os
from pathlib import Path


def sync_to_disk(path: Path) -> None:
    """Write a file, or the names in a folder, durably to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
