"""When a client may send its next request: waits that the API asks for, and budgets of the run.

Source: https://developers.telnyx.com/development/api-fundamentals/reliability/rate-limiting, which
calls `x-ratelimit-reset` seconds to wait; another page of Telnyx shows a time since 1970 there.
"""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import uniform

import httpx

from telnyx_jobs.errors import TryAgainLater

THROTTLE_BUDGET_SECONDS = 900.0
"""How long one run waits because the API asks for it, all waits together."""
_LONGEST_PACE_SECONDS = 60.0
_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 20.0
_EPOCH_FROM = 1_000_000
"""A rate-limit reset this large is a time since 1970; a smaller one is seconds to wait."""


class RequestBudgetSpent(TryAgainLater):
    """The run may send no further request (`--max-requests`)."""

    def __init__(self, max_requests: int) -> None:
        super().__init__(
            f"{max_requests} requests are spent (--max-requests): run again to continue from here"
        )


@dataclass
class Usage:
    """What the requests of a run cost."""

    requests: int = 0
    retries: int = 0
    throttled_seconds: float = 0.0
    """Time in which the API asked to wait; threads that wait at the same time count once."""
    received_bytes: int = field(default=0, compare=False)
    """Of answers, unpacked."""


class RateLimit:
    """Admits the requests of one client, and counts them. May be used from several threads."""

    def __init__(self, max_requests: int | None) -> None:
        self.usage = Usage()
        self._max_requests = max_requests
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._not_before = 0.0
        self._throttled_until = 0.0

    def admit(self) -> None:
        """Wait until the API allows a request, and count it.

        Raises TryAgainLater if no further request may be sent.
        """
        announced = self._not_before - time.monotonic()
        if announced > 0:
            with self._lock:
                self._check_may_send()
                self._throttle(announced)
            self.sleep(announced)
        with self._lock:
            self._check_may_send()
            self.usage.requests += 1

    def admit_retry(self, wait: float, *, is_asked: bool) -> None:
        """Count a retry that follows in `wait` seconds; `is_asked` if the API asks for the wait.

        Raises TryAgainLater if no further request may be sent, or the wait is too long.
        """
        with self._lock:
            self._check_may_send()
            if is_asked:
                self._throttle(wait)
            self.usage.retries += 1

    def received(self, byte_count: int) -> None:
        with self._lock:
            self.usage.received_bytes += byte_count

    def pace(self, headers: httpx.Headers) -> None:
        """Spare the API a refusal: send nothing while it announces no request left."""
        if headers.get("x-ratelimit-remaining") == "0":
            wait = min(asked_wait(headers) or 0.0, _LONGEST_PACE_SECONDS)
            with self._lock:
                self._not_before = max(self._not_before, time.monotonic() + wait)

    def sleep(self, seconds: float) -> None:
        """Wait, unless the client is closed meanwhile: that raises TryAgainLater."""
        if seconds > 0 and self._closed.wait(seconds):
            raise TryAgainLater("the run was stopped: run again")

    def close(self) -> None:
        """Admit nothing any more, and wake the threads that wait."""
        self._closed.set()

    def _check_may_send(self) -> None:
        """Raises TryAgainLater if no further request may be sent. The lock must be held."""
        if self._closed.is_set():
            raise TryAgainLater("the run was stopped: run again")
        if self._max_requests is not None and self.usage.requests >= self._max_requests:
            raise RequestBudgetSpent(self._max_requests)

    def _throttle(self, wait: float) -> None:
        """Count a wait that begins now and that the API asks for. The lock must be held.

        Raises TryAgainLater if it is more than the run may wait.
        """
        now = time.monotonic()
        added = max(0.0, wait - max(0.0, self._throttled_until - now))
        if self.usage.throttled_seconds + added > THROTTLE_BUDGET_SECONDS:
            raise TryAgainLater(f"the API asks to wait {wait:.0f} s: run again after that")
        self.usage.throttled_seconds += added
        self._throttled_until = max(self._throttled_until, now + wait)


def backoff(attempt: int) -> float:
    """Seconds to wait after the n-th failed attempt, from 1, if the API asks for nothing else."""
    doubled = _FIRST_BACKOFF_SECONDS * 2 ** (attempt - 1)
    longest = min(doubled, _LONGEST_BACKOFF_SECONDS)
    return uniform(longest / 2, longest)


def asked_wait(headers: httpx.Headers) -> float | None:
    """Seconds until the rate limit allows more; None if the answer says nothing usable."""
    seconds = retry_after(headers)
    if seconds is not None:
        return seconds
    reset = _number(headers.get("x-ratelimit-reset", ""))
    if reset is None:
        return None
    return max(reset - time.time() if reset > _EPOCH_FROM else reset, 0.0)


def retry_after(headers: httpx.Headers) -> float | None:
    """Seconds, from seconds or from a date; None if the header has neither."""
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is None:
        seconds = until_date(text)
    return None if seconds is None else max(seconds, 0.0)


def until_date(text: str) -> float | None:
    """Seconds until a date as HTTP writes it, negative for one in the past; None for other text."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time()


def _number(text: str) -> float | None:
    digits = text.strip().replace(".", "", 1)
    return float(text) if digits.isascii() and digits.isdecimal() else None
