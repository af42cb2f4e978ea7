"""Keys that mask phone numbers and recognize forgotten ones: kept beside the data, never in it."""

import secrets
from pathlib import Path

from telnyx_jobs.destinations.place import Place
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.files import write_whole
from telnyx_jobs.source.forgetting import Forgotten, key_id
from telnyx_jobs.source.masking import Mask
from telnyx_jobs.source.query import Query
from telnyx_jobs.source.removals import Removals
from telnyx_jobs.source.state import kept_state

_KEY_BYTES = 32


def mask_to_use(place: Place, query: Query, *, is_read_only: bool = False) -> Mask:
    """The mask of the loaded jobs; a new one before the first sync only."""
    mask = kept_mask(place, query)
    if mask is not None:
        return mask
    key = _read(place.mask_key)
    if key is None:
        key = secrets.token_bytes(_KEY_BYTES) if is_read_only else _new(place.mask_key)
    return Mask(key)


def kept_mask(place: Place, query: Query) -> Mask | None:
    """The mask of the loaded jobs, if they are masked. Raises BadConfiguration if it is lost."""
    state = kept_state(query)
    if state is None or state.mask is None:
        return None
    key = _read(place.mask_key)
    mask = key and Mask(key)
    if not mask or mask.fingerprint != state.mask:
        raise BadConfiguration(
            f"the phone numbers of {place.database} are masked, and {place.mask_key} does not "
            "hold their key: restore it from a backup"
        )
    return mask


def forgotten_of(place: Place, removals: Removals) -> Forgotten | None:
    """What takes the forgotten numbers out of records; None if nothing was forgotten.

    Raises BadConfiguration if the key is lost, since numbers would come back silently.
    """
    if removals.key_id is None:
        return None
    return Forgotten(forget_key(place, removals), removals.numbers, removals.ids)


def forget_key(place: Place, removals: Removals) -> bytes:
    """The key of what was forgotten before; a new one only if nothing was."""
    key = _read(place.forget_key)
    if removals.key_id is None:
        return key or _new(place.forget_key)
    if key is None or key_id(key) != removals.key_id:
        raise BadConfiguration(
            f"phone numbers of {place.database} were forgotten, and {place.forget_key} does not "
            "hold the key that recognizes them: restore it from a backup, or copy it from the "
            "machine where they were forgotten"
        )
    return key


def _read(path: Path) -> bytes | None:
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


def _new(path: Path) -> bytes:
    """A new key, which is kept in this file."""
    key = secrets.token_bytes(_KEY_BYTES)
    write_whole(path, key.hex().encode())
    return key
