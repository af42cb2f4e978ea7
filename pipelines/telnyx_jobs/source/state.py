"""What one run leaves for the next: the state that dlt keeps beside the loaded rows."""

from datetime import datetime
from typing import Any, Self

import msgspec

from telnyx_jobs.schema import RAW_SCHEMA
from telnyx_jobs.source.loaded import Loaded, Query
from telnyx_jobs.source.walk import Coverage, Span

SOURCE_NAME = "telnyx"
STATE_KEY = "coverage"
"""Where the state lies in the source's state; the name is older than the rest of its content."""


class KeptState(msgspec.Struct, omit_defaults=True):
    """What earlier runs have read. Unknown fields, of another version, are ignored."""

    is_demo: bool = False
    mask: str | None = None
    """Fingerprint of the key that phone numbers are masked with; None when they are not masked."""
    since: datetime | None = None
    """Jobs created before this time were not asked for."""
    spans: dict[str, list[Span]] = {}
    """What was read of each list, by its job type, or `*` for the list of all jobs."""
    waiting: list[str] = []
    """Jobs whose newer version did not fit into the last load, to be asked for again."""

    @classmethod
    def of(cls, value: Any) -> Self | None:
        """The state that was kept as this JSON value; None where nothing was kept."""
        return msgspec.convert(value, cls) if value else None

    def to_json(self) -> dict[str, Any]:
        value: dict[str, Any] = msgspec.to_builtins(self)
        # always present, so that an empty state is not taken for none
        return value | {"is_demo": self.is_demo}

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
