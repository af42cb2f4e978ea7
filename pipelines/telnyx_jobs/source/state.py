"""What one run leaves for the next: the state that dlt keeps beside the loaded rows."""

from datetime import datetime
from typing import Any, Self

import msgspec

from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.schema import RAW_SCHEMA
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.query import Query
from telnyx_jobs.source.walk import Coverage, Span

SOURCE_NAME = "telnyx"
STATE_KEY = "coverage"
"""The key of this state in the source's state; the name is older than the rest of its content."""


class Reading(msgspec.Struct, array_like=True):
    """How far one list has been read again. Unknown until the first way through it ends."""

    began_at: datetime
    """When the present way through the list began."""
    whole_since: datetime | None = None
    """Since when every job of the list has been read."""
    passed: int = 0
    total: int = 0
    """Jobs passed on this way, and jobs that the API announced then."""


class KeptState(msgspec.Struct, omit_defaults=True):
    """What earlier runs have read. Unknown fields, of another version, are ignored."""

    is_demo: bool = False
    mask: str | None = None
    """Fingerprint of the key that masks phone numbers; None if they are not masked."""
    since: datetime | None = None
    """Jobs created before this time were not requested."""
    spans: dict[str, list[Span]] = {}
    """What was read of each list, by its job type, or `*` for the list of all jobs."""
    waiting: list[str] = []
    """Jobs to be asked for by id: a newer version did not fit into the last load, say."""
    has_parameters: bool = False
    """Whether the parameters of all loaded jobs are in their table, as since version 0.2."""
    readings: dict[str, Reading] = {}
    """How far each list has been read again, by its job type, or `*` for the list of all jobs."""
    filter_failed_at: datetime | None = None
    """When the list of open jobs last proved useless."""
    lists_whole_at: datetime | None = None
    lists_short_at: datetime | None = None
    """When list pages were last found to show jobs whole, and with fewer operations."""
    whole_until: datetime | None = None
    """Jobs observed later were loaded by a run that was stopped before this state was kept."""
    in_doubt: list[str] = []
    """Such jobs of an earlier run that no answer has replaced since."""

    @classmethod
    def of(cls, value: Any) -> Self | None:
        """The state that was kept as this JSON value; None if nothing was kept."""
        return msgspec.convert(value, cls) if value else None

    def to_json(self) -> dict[str, Any]:
        value: dict[str, Any] = msgspec.to_builtins(self)
        # always present, so an empty state differs from a missing one
        return value | {"is_demo": self.is_demo}

    def refuse_other(self, *, is_demo: bool, mask: str | None) -> None:
        """Raises BadConfiguration when the loaded jobs are the demo's, or masked otherwise."""
        if self.is_demo != is_demo:
            raise BadConfiguration(
                "the demo's jobs and an account's do not go into one file: give another --database"
            )
        if self.mask != mask:
            raise BadConfiguration(_other_mask(self.mask, mask))

    def coverage(self) -> dict[str, Coverage]:
        """The spans, ready to be added to."""
        return {name: Coverage(list(spans)) for name, spans in self.spans.items()}


def kept_state(query: Query) -> KeptState | None:
    """The state that the last sync left in the destination; None before the first one."""
    if not Loaded(query).last_run_id():
        return None
    from dlt.common.versioned_state import decompress_state

    rows = query(
        f"select state from {RAW_SCHEMA}._dlt_pipeline_state where _dlt_load_id in "
        f"(select load_id from {RAW_SCHEMA}._dlt_loads where status = 0) "
        "order by version desc limit 1",
        [],
    )
    state = decompress_state(rows[0][0]) if rows else {}
    return KeptState.of(state.get("sources", {}).get(SOURCE_NAME, {}).get(STATE_KEY))


def _other_mask(in_file: str | None, now: str | None) -> str:
    """Why numbers masked one way must not join numbers masked another way, and what to do."""
    if now is None:
        return "the file's phone numbers are masked: add --mask-phone-numbers, or give another file"
    if in_file is None:
        return "the file's phone numbers are not masked: give another --database to mask them"
    return (
        "the file's phone numbers are masked with another key: put its mask.key back into the "
        "state folder, or give another --database"
    )
