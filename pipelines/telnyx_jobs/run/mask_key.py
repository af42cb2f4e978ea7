"""The key that masks phone numbers: kept in the state folder, never in the data."""

from telnyx_jobs.destinations.place import Place
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.source.masking import Mask, new_mask, read_mask
from telnyx_jobs.source.query import Query
from telnyx_jobs.source.state import kept_state


def mask_to_use(place: Place, query: Query) -> Mask:
    """The mask of the loaded jobs; a new one before the first sync only."""
    return kept_mask(place, query) or read_mask(place.mask_key) or new_mask(place.mask_key)


def kept_mask(place: Place, query: Query) -> Mask | None:
    """The mask of the loaded jobs, if they are masked. Raises BadConfiguration if it is lost."""
    state = kept_state(query)
    if state is None or state.mask is None:
        return None
    mask = read_mask(place.mask_key)
    if mask is None or mask.fingerprint != state.mask:
        raise BadConfiguration(
            f"the phone numbers of {place.database} are masked, and {place.mask_key} does not "
            "hold their key: restore it from a backup"
        )
    return mask
