"""The demo account's time: whole milliseconds since a fixed day."""

from datetime import UTC, datetime, timedelta

DAY_ZERO = datetime(2024, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def text(instant: int) -> str:
    """The instant as Telnyx writes it: `2026-10-23T18:10:00.000Z`."""
    time = DAY_ZERO + instant * MILLISECOND
    return time.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
