"""The time of observations."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def clock_after(latest: datetime | None) -> Callable[[], datetime]:
    """The present time in UTC, always later than `latest`, also when the clock was set back."""
    offset = timedelta(0)
    if latest is not None:
        offset = max(offset, latest - datetime.now(UTC) + timedelta(microseconds=1))
    return lambda: datetime.now(UTC) + offset
