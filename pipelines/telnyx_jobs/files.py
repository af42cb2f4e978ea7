"""Files on disk: how they are made durable."""

import os
from pathlib import Path


def sync_to_disk(path: Path) -> None:
    """Have a file, or the names in a folder, safely on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
