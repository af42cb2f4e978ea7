"""The client, against a server that fails: it retries what passes and reports what stays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.answer_faults import SURVIVABLE, Survivable, empty_page, refusal, whole, wrong_type
from support.client_trials import (
    IDS,
    JOBS,
    KEY,
    LIST,
    client_for,
    each_of,
    failure_of,
    ids_of,
    page_of,
    retryable,
)
from support.faulty_api import FaultyApi
from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Page, Record
from telnyx_jobs.api.rate_limit import Usage
from telnyx_jobs.errors import (
    ApiUnavailable,
    KeyRefused,
    TryAgainLater,
    UnreadableAnswer,
)

pytestmark = pytest.mark.usefixtures("short_waits")


# faults that pass


@retryable
def test_page_survives(case: Survivable) -> None:
    """A page is right after a fault, with one more request."""
    with FaultyApi(JOBS, {0: case.fault}) as api, client_for(api) as client:
        assert ids_of(client.page(2)) == IDS[2:4]

    assert [request.query["page[number]"] for request in api.requests] == ["2", "2"]
    assert (client.usage.requests, client.usage.retries) == (2, 1)


@retryable
def test_job_survives(case: Survivable) -> None:
    """A job is right after a fault, with one more request."""
    with FaultyApi(JOBS, {0: case.fault}) as api, client_for(api) as client:
        job = client.job(IDS[1])

    assert isinstance(job, Record)
    assert job.job_id == IDS[1]
    assert [request.target for request in api.requests] == [f"{LIST}/{IDS[1]}"] * 2


@retryable
def test_fault_on_a_kept_connection(case: Survivable) -> None:
    """A connection that served before and then fails is as good as a new one that fails."""
    with FaultyApi(JOBS, {1: case.fault}) as api, client_for(api) as client:
        assert [ids_of(client.page(number)) for number in (1, 2, 3)] == [IDS[:2], IDS[2:4], IDS[4:]]

    assert len(api.requests) == 4


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(sorted(SURVIVABLE)), max_size=8), st.booleans())
def test_any_mix_of_faults_is_survived(names: list[str], is_list: bool) -> None:
    """Up to eight faults of any kinds in a row cost a request each and change no answer."""
    faults = {n: SURVIVABLE[name].fault for n, name in enumerate(names)}
    with FaultyApi(JOBS, faults) as api, client_for(api) as client:
        if is_list:
            assert ids_of(client.page(2)) == IDS[2:4]
        else:
            job = client.job(IDS[2])
            assert isinstance(job, Record)
            assert job.job_id == IDS[2]

    assert len(api.requests) == len(names) + 1
    assert (client.usage.requests, client.usage.retries) == (len(names) + 1, len(names))


def test_eight_refusals_in_a_row() -> None:
    """With the default settings the client survives eight answers of 429."""
    faults = each_of(refusal(429, {"Retry-After": "0"}), 8)
    with FaultyApi(JOBS, faults) as api, Client(api.url, KEY) as client:
        assert ids_of(client.page(1)) == IDS

    assert len(api.requests) == 9


def test_wrong_content_type() -> None:
    """Correct JSON is accepted with any content type."""
    with FaultyApi(JOBS, {0: wrong_type}) as api:
        assert ids_of(page_of(api)) == IDS[:2]

    assert len(api.requests) == 1


def test_other_success() -> None:
    """Any status of success is accepted if the answer is right."""
    body = b'{"data":[],"meta":{"total_pages":0,"total_results":0}}'
    with FaultyApi(JOBS, {0: whole(203, body)}) as api:
        assert page_of(api) == Page([], 0, 0)


def test_empty_page_before_the_last() -> None:
    """An empty page before the announced last one is requested again."""
    with FaultyApi(JOBS, {0: empty_page}) as api:
        assert ids_of(page_of(api, 3)) == IDS[4:]

    assert len(api.requests) == 2


# faults that stay


@retryable
def test_persistent_fault(case: Survivable) -> None:
    """A fault that stays ends with the exit code of its kind, after all attempts."""
    with FaultyApi(JOBS, otherwise=case.fault) as api:
        error = failure_of(lambda: page_of(api, max_retries=3))

    assert error.exit_code == case.exit_code
    assert len(api.requests) == 4


def test_persistent_empty_page() -> None:
    """An empty page before the last that stays empty is an unreadable answer."""
    with FaultyApi(JOBS, otherwise=empty_page) as api:
        error = failure_of(lambda: page_of(api, max_retries=2))

    assert isinstance(error, UnreadableAnswer)
    assert len(api.requests) == 3


def test_no_retries() -> None:
    """Without retries a fault is final, without any wait."""
    fault = refusal(429, {"Retry-After": "30"})
    with FaultyApi(JOBS, {0: fault}) as api, client_for(api, max_retries=0) as client:
        assert isinstance(failure_of(lambda: client.page(1)), TryAgainLater)

    assert client.usage == Usage(requests=1, retries=0, throttled_seconds=0.0)


def test_nobody_listens() -> None:
    """A refused connection is reported as such, with the address, in progress and at the end."""
    with FaultyApi(JOBS) as api:
        api.close()
        reasons: list[object] = []

        def report(event: str, **fields: object) -> None:
            reasons.append(fields["reason"])

        error = failure_of(lambda: page_of(api, max_retries=1, report=report))

    assert isinstance(error, ApiUnavailable)
    assert f"{api.url} does not answer (no connection, " in str(error)
    assert [str(error).startswith(f"{reason}: check") for reason in reasons] == [True]


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key(status: int) -> None:
    """A refused key is final at once, for pages and for jobs."""
    fault = refusal(status, code="10009", title="Authentication failed")
    with FaultyApi(JOBS, otherwise=fault) as api, client_for(api) as client:
        errors = [failure_of(lambda: client.page(1)), failure_of(lambda: client.job(IDS[0]))]

    assert [type(error) for error in errors] == [KeyRefused, KeyRefused]
    assert all(f"({status} 10009 Authentication failed)" in str(error) for error in errors)
    assert len(api.requests) == 2


def test_unknown_job() -> None:
    """A job that the API does not know is None, without a retry."""
    with FaultyApi(JOBS) as api, client_for(api) as client:
        assert client.job("00000000-0000-4000-8000-00000000ffff") is None

    assert len(api.requests) == 1


@pytest.mark.parametrize("status", [400, 422])
def test_an_id_that_the_api_finds_wrong(status: int) -> None:
    """A refused id that is not like the API's own is unknown at once; one of its own kind fails."""
    with FaultyApi(JOBS, otherwise=refusal(status)) as api, client_for(api) as client:
        assert [client.job(job_id) for job_id in ("odd", "", f"{IDS[0]}0")] == [None] * 3
        error = failure_of(lambda: client.job(IDS[0].upper()))

    assert isinstance(error, ApiUnavailable)
    assert f"({status} 10007 Unexpected error)" in str(error)
    assert len(api.requests) == 4


@pytest.mark.parametrize("status", [402, 405, 451])
def test_a_refusal_of_an_odd_id_is_told(status: int) -> None:
    """Only an answer that the request is wrong means that the job does not exist."""
    with FaultyApi(JOBS, otherwise=refusal(status)) as api, client_for(api) as client:
        assert isinstance(failure_of(lambda: client.job("odd")), ApiUnavailable)


def test_list_not_found() -> None:
    """A base URL without the job list is reported at once, with that URL and where it is set."""
    with FaultyApi(JOBS) as api, Client(f"{api.url}/other", KEY) as client:
        error = failure_of(lambda: client.page(1))

    assert isinstance(error, ApiUnavailable)
    assert f"{api.url}/other" in str(error)
    assert "--base-url" in str(error)
    assert len(api.requests) == 1


@pytest.mark.parametrize("status", [400, 402, 405, 410, 413, 418, 422, 451])
def test_refused_request(status: int) -> None:
    """A request that the API finds wrong is not repeated, and its reason is reported."""
    fault = refusal(status, code="10015", title="Invalid pagination")
    with FaultyApi(JOBS, otherwise=fault) as api:
        error = failure_of(lambda: page_of(api))

    assert isinstance(error, ApiUnavailable)
    assert f"({status} 10015 Invalid pagination)" in str(error)
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<h1>Unprocessable</h1>",
        b"null",
        b'{"errors":null}',
        b'{"errors":[]}',
        b'{"errors":[{}]}',
        b'{"errors":[{"code":7}]}',
        b'{"errors":{"title":"a"}}',
        b'{"errors":[{"title":"\\ud800"}]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_unreadable_reason(body: bytes) -> None:
    """An error of any other shape is reported by its status."""
    with FaultyApi(JOBS, {0: whole(422, body)}) as api:
        error = failure_of(lambda: page_of(api))

    assert "(422 Unprocessable" in str(error)


def test_reason_of_many_lines() -> None:
    """Line ends and control characters of a reason do not reach the user's terminal."""
    fault = refusal(422, title="one\r\n\x1b[31mtwo\t\x00three\u2028four " + "long " * 100)
    with FaultyApi(JOBS, {0: fault}) as api:
        error = failure_of(lambda: page_of(api))

    assert "(422 10007 one [31mtwo three four long " in str(error)
