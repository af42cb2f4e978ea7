"""The key of the fingerprints of forgotten numbers: in the state folder, never in the data."""

from telnyx_jobs.destinations.place import Place
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.source.forgetting import Forgotten, key_id
from telnyx_jobs.source.removals import Removals
from telnyx_jobs.source.secret_key import new_key, read_key


def forgotten_of(place: Place, removals: Removals) -> Forgotten | None:
    """What takes the forgotten numbers out of records; None if nothing was forgotten.

    Raises BadConfiguration if the key is lost, since numbers would come back without a word.
    """
    if removals.key_id is None:
        return None
    return Forgotten(_kept_key(place, removals), removals.numbers, removals.ids)


def key_to_use(place: Place, removals: Removals) -> bytes:
    """The key of what was forgotten before; a new one only if nothing was."""
    if removals.key_id is not None:
        return _kept_key(place, removals)
    return read_key(place.forget_key) or new_key(place.forget_key)


def _kept_key(place: Place, removals: Removals) -> bytes:
    key = read_key(place.forget_key)
    if key is None or key_id(key) != removals.key_id:
        raise BadConfiguration(
            f"phone numbers of {place.database} were forgotten, and {place.forget_key} does not "
            "hold the key that recognizes them: restore it from a backup, or copy it from the "
            "machine where they were forgotten"
        )
    return key
