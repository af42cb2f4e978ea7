"""What a request and a run of the client may cost, and how the client is closed."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.answer_faults import SURVIVABLE, late, refusal, stalls
from support.client_trials import (
    IDS,
    JOBS,
    LEEWAY,
    announcing,
    client_for,
    each_of,
    failure_of,
    first_wait,
    ids_of,
    seconds_since,
)
from support.faulty_api import Fault, FaultyApi
from telnyx_jobs.api.models import Record
from telnyx_jobs.api.rate_limit import RequestBudgetSpent, Usage
from telnyx_jobs.errors import (
    ApiUnavailable,
    TryAgainLater,
)

pytestmark = pytest.mark.usefixtures("short_waits")


TIMEOUT = 0.7
"""Seconds that a request may take in the tests of that limit."""
stalling = pytest.mark.parametrize("name", stalls(TIMEOUT))


# deadlines


@stalling
def test_deadline(name: str) -> None:
    """A request ends at its deadline, whatever part of the answer is slow."""
    with (
        FaultyApi(JOBS, otherwise=stalls(TIMEOUT)[name]) as api,
        client_for(api, timeout=TIMEOUT, max_retries=0) as client,
    ):
        began = time.monotonic()
        error = failure_of(lambda: client.page(1))
        took = seconds_since(began)

    assert TIMEOUT <= took < TIMEOUT + LEEWAY
    assert isinstance(error, ApiUnavailable)
    assert "time-out" in str(error)


@stalling
def test_retry_after_a_stall(name: str) -> None:
    """A request that took too long is retried, and the answer is the new one's."""
    timeout = 0.3
    with (
        FaultyApi(JOBS, {0: stalls(timeout)[name]}) as api,
        client_for(api, timeout=timeout) as client,
    ):
        assert ids_of(client.page(2)) == IDS[2:4]

    assert len(api.requests) == 2


def test_slow_but_in_time() -> None:
    """A slow answer that is complete in time is accepted."""
    with FaultyApi(JOBS, {0: late(0.3)}) as api, client_for(api) as client:
        assert ids_of(client.page(1)) == IDS[:2]

    assert len(api.requests) == 1


# what a run may cost


@pytest.mark.parametrize("most", [0, 1, 3])
def test_most_requests(most: int) -> None:
    """Exactly as many requests are sent as allowed, and then the error says how to continue."""
    with FaultyApi(JOBS) as api, client_for(api, max_requests=most) as client:
        for number in range(most):
            client.page(number + 1)
        errors = [failure_of(lambda: client.page(1)), failure_of(lambda: client.job(IDS[0]))]

    assert [type(error) for error in errors] == [RequestBudgetSpent, RequestBudgetSpent]
    assert {error.exit_code for error in errors} == {75}
    assert len(api.requests) == client.usage.requests == most


def test_retries_are_requests_too() -> None:
    """Retries count against the limit of requests, and no retry beyond is waited for."""
    began = time.monotonic()
    faults = {0: refusal(500), 1: refusal(500), 2: refusal(429, {"Retry-After": "30"})}
    with FaultyApi(JOBS, faults) as api, client_for(api, max_requests=3) as client:
        assert isinstance(failure_of(lambda: client.page(1)), RequestBudgetSpent)

    assert seconds_since(began) < 2
    assert len(api.requests) == 3
    assert client.usage == Usage(requests=3, retries=2, throttled_seconds=0.0)


def test_no_wait_for_a_request_that_may_not_be_sent() -> None:
    """The client does not wait as announced if the requests are spent anyway."""
    began = time.monotonic()
    with FaultyApi(JOBS, {0: announcing("30")}) as api, client_for(api, max_requests=1) as client:
        client.page(1)
        assert isinstance(failure_of(lambda: client.page(2)), RequestBudgetSpent)

    assert seconds_since(began) < 2


def test_most_requests_of_many_threads() -> None:
    """Threads together send no request more than one alone may."""
    with (
        FaultyApi(JOBS, otherwise=late(0.02)) as api,
        client_for(api, max_requests=10) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = [pool.submit(client.job, IDS[n % 5]) for n in range(40)]
        spent = [answer for answer in answers if answer.exception()]

    assert len(api.requests) == client.usage.requests == 10
    assert len(spent) == 30
    assert {type(answer.exception()) for answer in spent} == {RequestBudgetSpent}


def test_usage() -> None:
    """Requests, retries and the seconds that the API asked for are counted, each exactly."""
    faults = {0: refusal(500), 1: refusal(429, {"Retry-After": "0.1"}), 3: refusal(502)}
    faults[4] = refusal(503, {"Retry-After": "0.2"})
    with FaultyApi(JOBS, faults) as api, client_for(api) as client:
        client.page(1)
        client.job(IDS[0])
        client.job("unknown")

    assert len(api.requests) == 7
    assert (client.usage.requests, client.usage.retries) == (7, 4)
    assert client.usage.throttled_seconds == pytest.approx(0.3, abs=0.001)


def test_usage_without_success() -> None:
    """The wait after the last attempt does not count: it is not waited for."""
    fault = refusal(429, {"Retry-After": "0.1"})
    with FaultyApi(JOBS, otherwise=fault) as api, client_for(api, max_retries=2) as client:
        failure_of(lambda: client.page(1))

    assert len(api.requests) == 3
    assert (client.usage.requests, client.usage.retries) == (3, 2)
    assert client.usage.throttled_seconds == pytest.approx(0.2, abs=0.001)


def test_waits_at_the_same_time() -> None:
    """Threads that wait at the same time count that time once."""
    faults = each_of(refusal(429, {"Retry-After": "0.4"}), 8)
    with FaultyApi(JOBS, faults) as api, client_for(api) as client, ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        found = list(pool.map(client.job, [IDS[0]] * 8))
        took = seconds_since(began)

    assert all(isinstance(job, Record) for job in found)
    assert client.usage.retries == 8
    assert 0.4 <= client.usage.throttled_seconds <= took


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_usage_of_many_threads(data: st.DataObject) -> None:
    """Threads at once each get their own job, and the counts are those of all of them."""
    places = data.draw(st.lists(st.integers(0, 40), unique=True, max_size=8))
    names = data.draw(st.lists(st.sampled_from(sorted(SURVIVABLE)), min_size=8, max_size=8))
    faults = {n: SURVIVABLE[name].fault for n, name in zip(places, names, strict=False)}
    asked = [IDS[n % 5] for n in range(40)]
    with FaultyApi(JOBS, faults) as api, client_for(api) as client, ThreadPoolExecutor(6) as pool:
        found = list(pool.map(client.job, asked))

    assert [job.job_id for job in found if isinstance(job, Record)] == asked
    assert len(api.requests) == client.usage.requests == 40 + client.usage.retries


def test_report_of_a_wait() -> None:
    """A wait is reported with its length, the attempt that follows, and what failed."""
    reported = first_wait(refusal(503, {"Retry-After": "7"}, code="10007", title="Down: for now"))

    assert reported == {
        "seconds": 7.0,
        "attempt": 2,
        "reason": "the API fails (503 10007 Down: for now)",
    }


# the end


@pytest.mark.parametrize(
    "faults",
    [
        each_of(refusal(429, {"Retry-After": "30"}), 2),
        each_of(refusal(503, {"Retry-After": "30"}), 2),
        each_of(announcing("30"), 1),
    ],
    ids=["rate limit", "failure", "announced"],
)
def test_close_wakes_a_wait(faults: dict[int, Fault]) -> None:
    """Closing the client ends the waits of other threads at once, and sends nothing more."""
    waits = threading.Event()

    def report(event: str, **fields: object) -> None:
        waits.set()

    with FaultyApi(JOBS, faults) as api, ThreadPoolExecutor(2) as pool:
        with client_for(api, report=report) as client:
            if len(faults) == 1:
                client.page(1)
                waits.set()
            answers = [pool.submit(client.page, number) for number in (2, 3)]
            assert waits.wait(5)
            time.sleep(0.1)
        closed = time.monotonic()
        errors = [answer.exception(5) for answer in answers]
        took = seconds_since(closed)

    assert took < 1
    assert [type(error) for error in errors] == [TryAgainLater, TryAgainLater]
    assert len(api.requests) == len(faults)


def test_closed_client() -> None:
    """A client that was closed sends nothing."""
    with FaultyApi(JOBS) as api, client_for(api) as client:
        pass
    assert isinstance(failure_of(lambda: client.page(1)), TryAgainLater)
    assert api.requests == []
