"""How long the client waits if the API asks for it or announces a limit."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.answer_faults import refusal
from support.client_trials import (
    JOBS,
    LEEWAY,
    announcing,
    asked_seconds,
    client_for,
    failure_of,
    seconds_since,
)
from support.faulty_api import FaultyApi
from telnyx_jobs.api import rate_limit
from telnyx_jobs.api.rate_limit import Usage
from telnyx_jobs.errors import (
    TryAgainLater,
)

pytestmark = pytest.mark.usefixtures("short_waits")


# how long the API asks to wait


def test_retry_after_seconds() -> None:
    """Retry-After in seconds is the wait, for the rate limit as for a failure."""
    assert asked_seconds(429, {"Retry-After": "7"}) == 7
    assert asked_seconds(503, {"Retry-After": " 7.5 "}) == 7.5


@pytest.mark.parametrize("ahead", [30, 600])
def test_retry_after_date(ahead: int) -> None:
    """Retry-After as an HTTP date is the time until then."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)

    assert ahead - 2 < asked_seconds(429, {"Retry-After": date}) <= ahead


@pytest.mark.parametrize("text", ["0", "0.0", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_retry_after_now(text: str) -> None:
    """Retry-After of zero, or of a past date, means no wait."""
    assert asked_seconds(429, {"Retry-After": text, "x-ratelimit-reset": "50"}) == 0


@pytest.mark.parametrize(
    "text",
    [
        *("", "-5", "soon", "1e2", "NaN", "inf", "0x10", "5 s", "٣"),
        "Wed, 21 Oct 99999 07:28:00 GMT",
        "Wed, 32 Oct 2099 07:28:00 GMT",
        f"Wed, 21 Oct 2099 07:28:00 +{10**20}",
    ],
)
def test_retry_after_garbage(text: str) -> None:
    """Retry-After that says nothing usable counts as not sent."""
    text = text.encode().decode("latin-1")

    assert asked_seconds(429, {"Retry-After": text}) <= 0.001
    assert asked_seconds(429, {"Retry-After": text, "x-ratelimit-reset": "50"}) == 50


def test_reset_in_seconds() -> None:
    """A small x-ratelimit-reset is the seconds until the limit ends."""
    assert asked_seconds(429, {"x-ratelimit-reset": "50"}) == 50


def test_reset_as_time() -> None:
    """A large x-ratelimit-reset is the time, since 1970, at which the limit ends."""
    assert 48 < asked_seconds(429, {"x-ratelimit-reset": f"{time.time() + 50:.0f}"}) < 51
    assert asked_seconds(429, {"x-ratelimit-reset": f"{time.time() - 50:.0f}"}) == 0


@pytest.mark.parametrize("text", ["", "-5", "soon"])
def test_reset_garbage(text: str) -> None:
    """An x-ratelimit-reset that says nothing usable leaves the wait to the back-off."""
    assert asked_seconds(429, {"x-ratelimit-reset": text}) <= 0.001


def test_retry_after_goes_first() -> None:
    """Retry-After counts when x-ratelimit-reset says something else."""
    assert asked_seconds(429, {"Retry-After": "3", "x-ratelimit-reset": "50"}) == 3


def test_reset_of_a_failure() -> None:
    """The x-ratelimit-reset that comes with every answer does not set the wait after a failure."""
    assert asked_seconds(500, {"x-ratelimit-reset": "50"}) <= 0.001


def _odd_headers() -> st.SearchStrategy[dict[str, str | None]]:
    """Headers that ask for a wait, or seem to."""
    offset = st.integers(-(10**20), 10**20).map("{:+}".format)
    date = st.integers(0, 10**6).map("Wed, 21 Oct {} 07:28:00 ".format)
    numbers = st.integers(0, 10**400).map(str) | st.floats().map(str)
    text = st.text(st.characters(min_codepoint=33, max_codepoint=255))
    value = text | numbers | date | st.builds(str.__add__, date, offset)
    return st.dictionaries(st.sampled_from(["Retry-After", "x-ratelimit-reset"]), value)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from([429, 503]), _odd_headers())
def test_any_headers(status: int, headers: dict[str, str | None]) -> None:
    """Whatever the headers of a refusal hold, a wait follows, or the advice to retry later."""
    try:
        seconds = asked_seconds(status, headers)
    except TryAgainLater:
        return
    assert 0 <= seconds <= rate_limit.THROTTLE_BUDGET_SECONDS


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("seconds", ["901", "86400", "9" * 400])
def test_wait_beyond_the_budget(status: int, seconds: str) -> None:
    """A wait longer than a run may wait ends it at once, and is not counted."""
    began = time.monotonic()
    fault = refusal(status, {"Retry-After": seconds})
    with FaultyApi(JOBS, otherwise=fault) as api, client_for(api) as client:
        error = failure_of(lambda: client.page(1))

    assert isinstance(error, TryAgainLater)
    assert seconds_since(began) < 1
    assert client.usage == Usage(requests=1, retries=0, throttled_seconds=0.0)


@pytest.mark.parametrize("status", [429, 503])
def test_waits_beyond_the_budget(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """The waits of all requests together are bounded, not each alone."""
    monkeypatch.setattr(rate_limit, "THROTTLE_BUDGET_SECONDS", 0.25)
    fault = refusal(status, {"Retry-After": "0.1"})
    faults = {0: fault, 2: fault, 4: fault}
    with FaultyApi(JOBS, faults) as api, client_for(api) as client:
        client.page(1)
        client.page(2)
        assert isinstance(failure_of(lambda: client.page(3)), TryAgainLater)

    assert len(api.requests) == 5
    assert client.usage.throttled_seconds == pytest.approx(0.2, abs=0.01)


def test_no_request_left() -> None:
    """When an answer announces that no request is left, the next one waits for the reset."""
    with FaultyApi(JOBS, {0: announcing("0.3")}) as api, client_for(api) as client:
        client.page(1)
        client.page(2)

    first, second = api.requests
    assert 0.29 <= second.at - first.at < 0.3 + LEEWAY
    assert client.usage.throttled_seconds == pytest.approx(0.3, abs=0.1)
    assert (client.usage.requests, client.usage.retries) == (2, 0)


def test_requests_left() -> None:
    """While answers announce that requests are left, none is delayed."""
    with FaultyApi(JOBS, {0: announcing("30", remaining="1")}) as api, client_for(api) as client:
        client.page(1)
        client.page(2)

    assert client.usage == Usage(requests=2, retries=0, throttled_seconds=0.0)


def test_no_request_left_and_none_wanted() -> None:
    """A wait that is not waited for does not count."""
    with FaultyApi(JOBS, {0: announcing("30")}) as api, client_for(api) as client:
        client.page(1)

    assert client.usage == Usage(requests=1, retries=0, throttled_seconds=0.0)


def test_announced_wait_beyond_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """An announced wait is at most a minute, and counts against the budget like any other."""
    monkeypatch.setattr(rate_limit, "THROTTLE_BUDGET_SECONDS", 59.0)
    with FaultyApi(JOBS, {0: announcing("3600")}) as api, client_for(api) as client:
        client.page(1)
        error = failure_of(lambda: client.page(2))

    assert isinstance(error, TryAgainLater)
    assert "wait 60 s" in str(error)
