"""A secret key in a file of its own, in the state folder and never in the data."""

import secrets
from pathlib import Path

from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.files import write_whole

_KEY_BYTES = 32


def read_key(path: Path) -> bytes | None:
    """The key in this file; None if the file does not exist. Raises BadConfiguration."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise BadConfiguration(f"{path} holds no key: restore it from a backup, or delete it")
    return key


def new_key(path: Path) -> bytes:
    """A new key, which is kept in this file."""
    key = secrets.token_bytes(_KEY_BYTES)
    write_whole(path, key.hex().encode())
    return key
