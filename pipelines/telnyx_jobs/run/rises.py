"""Which failure rates began to rise with this run."""

from typing import TypedDict

from telnyx_jobs.destinations.base import Destination

_VIEW = "failure_rate_changes"
_RISING = f"""
select error_code, error_pointer_pattern, recent_failure_rate, earlier_failure_rate
from telnyx.{_VIEW}
where change = 'rising'
"""


class Rise(TypedDict):
    """A kind of failure, and its share of all operations: the newest 7 days, the 28 before."""

    error_code: str | None
    error_pointer_pattern: str | None
    recent_failure_rate: float
    earlier_failure_rate: float


def rising(destination: Destination) -> list[Rise] | None:
    """The rates that rise now, the steepest first. None if no sync has created the view yet."""
    if not destination.has_view(_VIEW):
        return None
    rises = [
        Rise(
            error_code=code,
            error_pointer_pattern=pattern,
            recent_failure_rate=recent,
            earlier_failure_rate=earlier,
        )
        for code, pattern, recent, earlier in destination.query(_RISING)
    ]
    return sorted(
        rises,
        key=lambda rise: (rise["earlier_failure_rate"] - rise["recent_failure_rate"], _kind(rise)),
    )


def begun(before: list[Rise] | None, now: list[Rise] | None) -> list[Rise]:
    """Those that rise now and did not before. Nothing is known of what the first sync finds."""
    if before is None or now is None:
        return []
    known = {_kind(rise) for rise in before}
    return [rise for rise in now if _kind(rise) not in known]


def _kind(rise: Rise) -> tuple[str, ...]:
    """The kind of failure, so that it can be compared and sorted."""
    return tuple(repr(rise[name]) for name in ("error_code", "error_pointer_pattern"))
