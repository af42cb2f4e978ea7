"""The client, against a server that answers as Telnyx does and then does not."""

import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faulty_api import (
    SURVIVABLE,
    Fault,
    FaultyApi,
    Survivable,
    empty_page,
    late,
    redirect,
    refusal,
    some_jobs,
    stalls,
    whole,
    with_headers,
    wrong_type,
)
from telnyx_jobs import client as client_module
from telnyx_jobs.client import (
    Client,
    RequestBudgetSpent,
    Usage,
    checked_base_url,
    checked_key,
)
from telnyx_jobs.errors import (
    ApiUnavailable,
    BadConfiguration,
    KeyRefused,
    TelnyxJobsError,
    TryAgainLater,
    UnreadableAnswer,
)
from telnyx_jobs.models import Page, Record

KEY = "KEY0199A1B2C3D4E5F60718293A4B5C6D7_aBcDeFgHiJkLmNoPqRsTuV"
JOBS = some_jobs(5)
IDS = [job["id"] for job in JOBS]
LIST = "/v2/phone_numbers/jobs"

TIMEOUT = 0.7
"""Seconds that a request may take in the tests of just that."""
LEEWAY = 0.5
"""Seconds more that such a test allows for, to a busy machine."""

retryable = pytest.mark.parametrize("case", SURVIVABLE.values(), ids=SURVIVABLE.keys())
stalling = pytest.mark.parametrize("name", stalls(TIMEOUT))


@pytest.fixture(autouse=True, scope="module")
def short_waits() -> Iterator[None]:
    """The client's own waits last a millisecond, those that the API asks for as long as it says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "_FIRST_BACKOFF_SECONDS", 0.001)
        patch.setattr(client_module, "_LONGEST_BACKOFF_SECONDS", 0.001)
        # to read the certificates for each client would take longer than all the rest
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        yield


def _client(api: FaultyApi, **options: Any) -> Client:
    return Client(api.url, KEY, **{"page_size": 2, "timeout": 5.0, **options})


def _page(api: FaultyApi, number: int = 1, **options: Any) -> Page:
    with _client(api, **options) as client:
        return client.page(number)


def _ids(page: Page) -> list[str | None]:
    return [record.job_id for record in page.records]


def _each(fault: Fault, times: int) -> dict[int, Fault]:
    """The fault for so many requests, from the first on."""
    return dict.fromkeys(range(times), fault)


def _failure(call: Callable[[], object]) -> TelnyxJobsError:
    """What the call fails with, checked to be fit for the user's eyes."""
    with pytest.raises(TelnyxJobsError) as caught:
        call()
    message = str(caught.value)
    what_failed, _, what_to_do = message.rpartition(": ")
    assert what_failed
    assert what_to_do
    assert message.isprintable()
    assert len(message) < 250
    assert KEY not in _all_text(caught.value)
    return caught.value


def _all_text(error: BaseException) -> str:
    """All that can be read off an error: its traceback, and every error behind it."""
    seen: dict[int, BaseException] = {}
    waiting: list[BaseException | None] = [error]
    while waiting:
        behind = waiting.pop()
        if behind is not None and id(behind) not in seen:
            seen[id(behind)] = behind
            waiting += [behind.__cause__, behind.__context__]
    texts = [f"{each!r} {each.args!r}" for each in seen.values()]
    traces = ["".join(traceback.format_exception(each)) for each in seen.values()]
    return "\n".join([*texts, *traces])


class _Told(Exception):
    """The first wait that a client announces."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        super().__init__()
        self.fields = fields


def _tell(event: str, **fields: object) -> None:
    assert event == "wait"
    raise _Told(fields)


def _first_wait(fault: Fault) -> Mapping[str, object]:
    """What a client tells of the wait that follows the fault, which it need not live through."""
    with FaultyApi(JOBS, {0: fault}) as api, pytest.raises(_Told) as told:
        _page(api, report=_tell)
    return told.value.fields


def _asked_seconds(status: int, headers: Mapping[str, str | None]) -> float:
    seconds = _first_wait(refusal(status, headers))["seconds"]
    assert isinstance(seconds, float)
    return seconds


def _took(since: float) -> float:
    return time.monotonic() - since


# what goes over the wire


def test_pages_are_the_jobs_in_order() -> None:
    """Page numbers count from 1, and the pages together are the list, with its totals."""
    with FaultyApi(JOBS) as api, _client(api) as client:
        pages = [client.page(number) for number in (1, 2, 3)]

    assert [_ids(page) for page in pages] == [IDS[:2], IDS[2:4], IDS[4:]]
    assert {(page.total_pages, page.total_results) for page in pages} == {(3, 5)}


def test_page_request() -> None:
    """A page is asked for by its number and size, and by nothing else."""
    with FaultyApi(JOBS) as api:
        _page(api, 3, page_size=250)

    (request,) = api.requests
    assert (request.method, request.target.partition("?")[0]) == ("GET", LIST)
    assert request.query == {"page[number]": "3", "page[size]": "250"}


def test_filter_request() -> None:
    """A job type becomes the type filter, and the answer is of that type alone."""
    with FaultyApi(JOBS) as api, _client(api, page_size=4) as client:
        page = client.page(1, job_type="delete_phone_numbers")

    (request,) = api.requests
    assert request.query == {
        "page[number]": "1",
        "page[size]": "4",
        "filter[type]": "delete_phone_numbers",
    }
    assert _ids(page) == [IDS[1], IDS[3]]


def test_request_headers() -> None:
    """The key travels as bearer token, JSON is asked for, and the client gives its name."""
    with FaultyApi(JOBS) as api:
        _page(api)

    (request,) = api.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"].startswith("telnyx-jobs/")


def test_retrieve() -> None:
    """A job comes by its id, the same as in the list."""
    with FaultyApi(JOBS) as api, _client(api) as client:
        job = client.job(IDS[3])
        listed = client.page(2).records[1]

    assert isinstance(job, Record)
    assert isinstance(listed, Record)
    assert job.job_id == IDS[3]
    assert job.content_hash() == listed.content_hash()
    assert api.requests[0].target == f"{LIST}/{IDS[3]}"


def test_id_with_delimiters() -> None:
    """The delimiters in an id are sent percent-encoded."""
    with FaultyApi(JOBS) as api, _client(api) as client:
        assert client.job("a/b?c#d e") is None

    assert api.requests[0].target == f"{LIST}/a%2Fb%3Fc%23d%20e"


def test_any_id_is_one_path_segment() -> None:
    """Whatever an id holds, it is sent as one path segment that decodes to the id again."""
    with FaultyApi(JOBS) as api, _client(api) as client:

        @given(st.text() | st.sampled_from([".", "..", "a/../b", "%2e%2e", "\udcff"]))
        def check(job_id: str) -> None:
            assert client.job(job_id) is None
            path, _, segment = api.requests[-1].target.rpartition("/")
            assert path == LIST
            assert unquote(segment) == job_id.encode(errors="replace").decode()
            assert not set(segment) & set(".?#")

        check()


def test_connection_is_kept() -> None:
    """Requests one after the other share a connection, and answers do not mix."""
    with FaultyApi(JOBS) as api, _client(api) as client:
        for _ in range(20):
            assert [_ids(client.page(n)) for n in (1, 3)] == [IDS[:2], IDS[4:]]

    assert len({request.port for request in api.requests}) == 1


def test_empty_account() -> None:
    """A list of no pages is one empty page, asked for once."""
    with FaultyApi([]) as api:
        page = _page(api)

    assert page == Page([], 0, 0)
    assert len(api.requests) == 1


def test_page_beyond_the_last() -> None:
    """A page beyond the announced last one is empty, and that is no fault."""
    with FaultyApi(JOBS) as api:
        page = _page(api, 4)

    assert page == Page([], 3, 5)
    assert len(api.requests) == 1


# faults that pass


@retryable
def test_page_survives(case: Survivable) -> None:
    """A page is right after a fault, for one request more."""
    with FaultyApi(JOBS, {0: case.fault}) as api, _client(api) as client:
        assert _ids(client.page(2)) == IDS[2:4]

    assert [request.query["page[number]"] for request in api.requests] == ["2", "2"]
    assert (client.usage.requests, client.usage.retries) == (2, 1)


@retryable
def test_job_survives(case: Survivable) -> None:
    """A job is right after a fault, for one request more."""
    with FaultyApi(JOBS, {0: case.fault}) as api, _client(api) as client:
        job = client.job(IDS[1])

    assert isinstance(job, Record)
    assert job.job_id == IDS[1]
    assert [request.target for request in api.requests] == [f"{LIST}/{IDS[1]}"] * 2


@retryable
def test_fault_on_a_kept_connection(case: Survivable) -> None:
    """A connection that served before and then fails is as good as a new one that fails."""
    with FaultyApi(JOBS, {1: case.fault}) as api, _client(api) as client:
        assert [_ids(client.page(number)) for number in (1, 2, 3)] == [IDS[:2], IDS[2:4], IDS[4:]]

    assert len(api.requests) == 4


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(sorted(SURVIVABLE)), max_size=8), st.booleans())
def test_any_mix_of_faults_is_survived(names: list[str], is_list: bool) -> None:
    """Up to eight faults of any kinds in a row cost a request each and change no answer."""
    faults = {n: SURVIVABLE[name].fault for n, name in enumerate(names)}
    with FaultyApi(JOBS, faults) as api, _client(api) as client:
        if is_list:
            assert _ids(client.page(2)) == IDS[2:4]
        else:
            job = client.job(IDS[2])
            assert isinstance(job, Record)
            assert job.job_id == IDS[2]

    assert len(api.requests) == len(names) + 1
    assert (client.usage.requests, client.usage.retries) == (len(names) + 1, len(names))


def test_eight_refusals_in_a_row() -> None:
    """With the settings as they come, eight answers of 429 are survived."""
    faults = _each(refusal(429, {"Retry-After": "0"}), 8)
    with FaultyApi(JOBS, faults) as api, Client(api.url, KEY) as client:
        assert _ids(client.page(1)) == IDS

    assert len(api.requests) == 9


def test_wrong_content_type() -> None:
    """The right JSON is taken, by whatever name it comes."""
    with FaultyApi(JOBS, {0: wrong_type}) as api:
        assert _ids(_page(api)) == IDS[:2]

    assert len(api.requests) == 1


def test_other_success() -> None:
    """Any status of success will do when the answer is right."""
    body = b'{"data":[],"meta":{"total_pages":0,"total_results":0}}'
    with FaultyApi(JOBS, {0: whole(203, body)}) as api:
        assert _page(api) == Page([], 0, 0)


def test_empty_page_before_the_last() -> None:
    """An empty page before the announced last one is asked for again."""
    with FaultyApi(JOBS, {0: empty_page}) as api:
        assert _ids(_page(api, 3)) == IDS[4:]

    assert len(api.requests) == 2


# faults that stay


@retryable
def test_persistent_fault(case: Survivable) -> None:
    """A fault that stays ends as the exit code of its kind, after all the attempts."""
    with FaultyApi(JOBS, otherwise=case.fault) as api:
        error = _failure(lambda: _page(api, max_retries=3))

    assert error.exit_code == case.exit_code
    assert len(api.requests) == 4


def test_persistent_empty_page() -> None:
    """An empty page before the last that stays empty is an answer nobody can read."""
    with FaultyApi(JOBS, otherwise=empty_page) as api:
        error = _failure(lambda: _page(api, max_retries=2))

    assert isinstance(error, UnreadableAnswer)
    assert len(api.requests) == 3


def test_no_retries() -> None:
    """With no retries a fault is final, and nothing was waited for."""
    fault = refusal(429, {"Retry-After": "30"})
    with FaultyApi(JOBS, {0: fault}) as api, _client(api, max_retries=0) as client:
        assert isinstance(_failure(lambda: client.page(1)), TryAgainLater)

    assert client.usage == Usage(requests=1, retries=0, throttled_seconds=0.0)


def test_nobody_listens() -> None:
    """A refused connection is told as such, with the address, on the way and in the end."""
    with FaultyApi(JOBS) as api:
        api.close()
        reasons: list[object] = []

        def report(event: str, **fields: object) -> None:
            reasons.append(fields["reason"])

        error = _failure(lambda: _page(api, max_retries=1, report=report))

    assert isinstance(error, ApiUnavailable)
    assert f"{api.url} does not answer (no connection, " in str(error)
    assert [str(error).startswith(f"{reason}: check") for reason in reasons] == [True]


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key(status: int) -> None:
    """A refused key is final at once, for pages and for jobs."""
    fault = refusal(status, code="10009", title="Authentication failed")
    with FaultyApi(JOBS, otherwise=fault) as api, _client(api) as client:
        errors = [_failure(lambda: client.page(1)), _failure(lambda: client.job(IDS[0]))]

    assert [type(error) for error in errors] == [KeyRefused, KeyRefused]
    assert all(f"({status} 10009 Authentication failed)" in str(error) for error in errors)
    assert len(api.requests) == 2


def test_unknown_job() -> None:
    """A job that the API does not know is None, without a second look."""
    with FaultyApi(JOBS) as api, _client(api) as client:
        assert client.job("00000000-0000-4000-8000-00000000ffff") is None

    assert len(api.requests) == 1


def test_list_not_found() -> None:
    """A base URL without the job list is told at once, with that URL and where it is set."""
    with FaultyApi(JOBS) as api, Client(f"{api.url}/other", KEY) as client:
        error = _failure(lambda: client.page(1))

    assert isinstance(error, ApiUnavailable)
    assert f"{api.url}/other" in str(error)
    assert "--base-url" in str(error)
    assert len(api.requests) == 1


@pytest.mark.parametrize("status", [400, 402, 405, 410, 413, 418, 422, 451])
def test_refused_request(status: int) -> None:
    """A request that the API finds wrong is not repeated, and its reason is told."""
    fault = refusal(status, code="10015", title="Invalid pagination")
    with FaultyApi(JOBS, otherwise=fault) as api:
        error = _failure(lambda: _page(api))

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
    """An error of any other shape is told by its status."""
    with FaultyApi(JOBS, {0: whole(422, body)}) as api:
        error = _failure(lambda: _page(api))

    assert "(422 Unprocessable" in str(error)


def test_reason_of_many_lines() -> None:
    """Line ends and control characters of a reason do not reach the user's terminal."""
    fault = refusal(422, title="one\r\n\x1b[31mtwo\t\x00three\u2028four " + "long " * 100)
    with FaultyApi(JOBS, {0: fault}) as api:
        error = _failure(lambda: _page(api))

    assert "(422 10007 one [31mtwo three four long " in str(error)


# the key


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(status: int) -> None:
    """A redirect is final, and the key goes nowhere else."""
    with FaultyApi(JOBS) as other, FaultyApi(JOBS, otherwise=redirect(status, other.url)) as api:
        error = _failure(lambda: _page(api))

    assert isinstance(error, ApiUnavailable)
    assert "--base-url" in str(error)
    assert len(api.requests) == 1
    assert other.requests == []


def test_redirect_of_a_job() -> None:
    """A redirect is no job, and none that is missing either."""
    with (
        FaultyApi(JOBS) as other,
        FaultyApi(JOBS, otherwise=redirect(302, other.url)) as api,
        _client(api) as client,
    ):
        assert isinstance(_failure(lambda: client.job(IDS[0])), ApiUnavailable)

    assert other.requests == []


@pytest.mark.parametrize("white", ["\n", "\r\n", " ", "\t\n "])
def test_key_with_white_space_around(white: str) -> None:
    """White space around a key is dropped, as copying and files leave it there."""
    with FaultyApi(JOBS) as api, Client(api.url, f"{white}{KEY}{white}") as client:
        client.page(1)

    assert api.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "inner", ["\n", "\r\nX-Evil: 1", " ", "\t", "\x00", "\x7f", "é", "€", "鍵"]
)
def test_key_with_a_wrong_character(inner: str) -> None:
    """A key that no header can carry is refused unseen, before any request."""
    key = f"{KEY[:20]}{inner}{KEY[20:]}"
    with FaultyApi(JOBS) as api:
        error = _failure(lambda: Client(api.url, key))

    assert isinstance(error, KeyRefused)
    assert KEY[:20] not in _all_text(error)
    assert KEY[20:] not in _all_text(error)
    assert api.requests == []


@pytest.mark.parametrize("key", ["", " ", "\n"])
def test_no_key(key: str) -> None:
    """An empty key is refused."""
    assert isinstance(_failure(lambda: checked_key(key)), KeyRefused)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100), st.sampled_from([401, 403, 422, 429, 500]))
def test_echoed_key(place: int, status: int) -> None:
    """A key that the API repeats in its reason is not told, wherever in the reason it stands."""
    fault = refusal(status, title=f"{'x' * place} {KEY} is no key")
    with FaultyApi(JOBS, otherwise=fault) as api:
        error = _failure(lambda: _page(api, max_retries=0))

    assert KEY[:8] not in _all_text(error)


def test_echoed_key_in_progress() -> None:
    """A key that the API repeats is not in what a run tells while it waits either."""
    reason = _first_wait(refusal(503, title=f"{KEY} is no key"))["reason"]

    assert reason == "the API fails (503 10007 [key] is no key)"


def test_echoed_key_in_a_body() -> None:
    """An answer that cannot be read is not quoted."""
    with FaultyApi(JOBS, otherwise=whole(200, f"<p>{KEY}</p>".encode())) as api:
        assert isinstance(_failure(lambda: _page(api, max_retries=0)), UnreadableAnswer)


def test_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to loopback, unencrypted as it is, passes by the environment's proxies."""
    with FaultyApi(JOBS) as api, FaultyApi(JOBS) as proxy:
        _set_proxy(monkeypatch, proxy)
        assert _ids(_page(api)) == IDS[:2]

    assert proxy.requests == []


def test_https_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request by https goes through the environment's proxy, which never sees the key."""
    with FaultyApi(JOBS) as proxy:
        _set_proxy(monkeypatch, proxy)
        with Client("https://api.telnyx.invalid/v2", KEY, max_retries=0) as client:
            assert isinstance(_failure(lambda: client.page(1)), ApiUnavailable)

    (request,) = proxy.requests
    assert (request.method, request.target) == ("CONNECT", "api.telnyx.invalid:443")
    assert KEY not in repr(request)


def _set_proxy(monkeypatch: pytest.MonkeyPatch, proxy: FaultyApi) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "socks9://user:secret@proxy.example"),
        ("ALL_PROXY", "http://user:secret@proxy.example:port"),
        ("SSL_CERT_FILE", "no such file"),
    ],
)
def test_unusable_environment(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A proxy or a certificate file that cannot be used is told by the variables' names."""
    monkeypatch.setenv(name, value)
    monkeypatch.delenv(name.lower(), raising=False)
    error = _failure(lambda: Client("https://api.telnyx.com/v2", KEY))

    assert isinstance(error, BadConfiguration)
    assert name in str(error)
    assert "secret" not in str(error)


# the base URL


@pytest.mark.parametrize(
    ("given_url", "used"),
    [
        ("https://api.telnyx.com/v2", "https://api.telnyx.com/v2"),
        ("https://api.telnyx.com/v2/", "https://api.telnyx.com/v2"),
        (" https://api.telnyx.eu/v2\n", "https://api.telnyx.eu/v2"),
        ("https://gateway.example:8443/telnyx/v2/", "https://gateway.example:8443/telnyx/v2"),
        ("http://127.0.0.1:8080/v2", "http://127.0.0.1:8080/v2"),
        ("http://127.8.9.10/v2", "http://127.8.9.10/v2"),
        ("http://[::1]:8080/v2/", "http://[::1]:8080/v2"),
        ("http://localhost/v2", "http://localhost/v2"),
    ],
)
def test_base_url(given_url: str, used: str) -> None:
    """An address by https, or by http on loopback, is used without the slash at its end."""
    assert checked_base_url(given_url) == used


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.telnyx.com/v2",
        "//api.telnyx.com/v2",
        "ftp://api.telnyx.com/v2",
        "file:///etc/passwd",
        "https://",
        "https:///v2",
        "https://user:secret@api.telnyx.com/v2",
        "https://secret@api.telnyx.com/v2",
        "https://api.telnyx.com/v2?key=secret",
        "https://api.telnyx.com/v2?",
        "https://api.telnyx.com/v2#secret",
        "https://api.telnyx.com:port/v2",
        "https://api.telnyx.com:99999/v2",
        "https://api..telnyx.com/v2",
        f"https://{'a' * 64}.com/v2",
        "https://xn--/v2",
        "https://\ud800/v2",
        "https://api.telnyx.com/\nv2",
        "https://[::1/v2",
        "http://api.telnyx.com/v2",
        "http://10.0.0.1/v2",
        "http://0.0.0.0/v2",
        "http://localhost.example.com/v2",
        "http://127.0.0.1.example.com/v2",
        "http://127.0.0.1@example.com/v2",
        "http://[2001:db8::1]/v2",
    ],
)
def test_unusable_base_url(url: str) -> None:
    """Any other address is refused before a request, and a password in it is not told."""
    error = _failure(lambda: Client(url, KEY))

    assert isinstance(error, BadConfiguration)
    assert "secret" not in str(error)


@given(st.text() | st.text().map("https://{}".format) | st.text().map("http://127.0.0.1{}".format))
def test_any_base_url(url: str) -> None:
    """No text at all is a base URL that breaks the check."""
    try:
        used = checked_base_url(url)
    except BadConfiguration:
        return
    assert used.startswith(("https://", "http://127.0.0.1"))
    assert checked_base_url(used) == used


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_slash_at_the_end(end: str) -> None:
    """A slash at the end of the base URL changes nothing on the wire."""
    with FaultyApi(JOBS) as api, Client(api.url + end, KEY) as client:
        client.page(1)

    assert api.requests[0].target.startswith(f"{LIST}?")


# how long the API asks to wait


def test_retry_after_seconds() -> None:
    """Retry-After in seconds is the wait, for the rate limit as for a failure."""
    assert _asked_seconds(429, {"Retry-After": "7"}) == 7
    assert _asked_seconds(503, {"Retry-After": " 7.5 "}) == 7.5


@pytest.mark.parametrize("ahead", [30, 600])
def test_retry_after_date(ahead: int) -> None:
    """Retry-After as an HTTP date is the time until then."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)

    assert ahead - 2 < _asked_seconds(429, {"Retry-After": date}) <= ahead


@pytest.mark.parametrize("text", ["0", "0.0", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_retry_after_now(text: str) -> None:
    """Retry-After of zero, or of a date gone by, is no wait at all."""
    assert _asked_seconds(429, {"Retry-After": text, "x-ratelimit-reset": "50"}) == 0


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

    assert _asked_seconds(429, {"Retry-After": text}) <= 0.001
    assert _asked_seconds(429, {"Retry-After": text, "x-ratelimit-reset": "50"}) == 50


def test_reset_in_seconds() -> None:
    """A small x-ratelimit-reset is the seconds until the limit ends."""
    assert _asked_seconds(429, {"x-ratelimit-reset": "50"}) == 50


def test_reset_as_time() -> None:
    """A large x-ratelimit-reset is the time, since 1970, at which the limit ends."""
    assert 48 < _asked_seconds(429, {"x-ratelimit-reset": f"{time.time() + 50:.0f}"}) < 51
    assert _asked_seconds(429, {"x-ratelimit-reset": f"{time.time() - 50:.0f}"}) == 0


@pytest.mark.parametrize("text", ["", "-5", "soon"])
def test_reset_garbage(text: str) -> None:
    """An x-ratelimit-reset that says nothing usable leaves the wait to the back-off."""
    assert _asked_seconds(429, {"x-ratelimit-reset": text}) <= 0.001


def test_retry_after_goes_first() -> None:
    """Retry-After counts when x-ratelimit-reset says something else."""
    assert _asked_seconds(429, {"Retry-After": "3", "x-ratelimit-reset": "50"}) == 3


def test_reset_of_a_failure() -> None:
    """The x-ratelimit-reset that comes with every answer is no reason to wait after a failure."""
    assert _asked_seconds(500, {"x-ratelimit-reset": "50"}) <= 0.001


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
    """Whatever the headers of a refusal hold, a wait follows, or the advice to come back later."""
    try:
        seconds = _asked_seconds(status, headers)
    except TryAgainLater:
        return
    assert 0 <= seconds <= client_module.THROTTLE_BUDGET_SECONDS


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("seconds", ["901", "86400", "9" * 400])
def test_wait_beyond_the_budget(status: int, seconds: str) -> None:
    """A wait longer than a run may wait ends it at once, and is not counted."""
    began = time.monotonic()
    fault = refusal(status, {"Retry-After": seconds})
    with FaultyApi(JOBS, otherwise=fault) as api, _client(api) as client:
        error = _failure(lambda: client.page(1))

    assert isinstance(error, TryAgainLater)
    assert _took(began) < 1
    assert client.usage == Usage(requests=1, retries=0, throttled_seconds=0.0)


@pytest.mark.parametrize("status", [429, 503])
def test_waits_beyond_the_budget(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """The waits of all requests together are bounded, not each alone."""
    monkeypatch.setattr(client_module, "THROTTLE_BUDGET_SECONDS", 0.25)
    fault = refusal(status, {"Retry-After": "0.1"})
    faults = {0: fault, 2: fault, 4: fault}
    with FaultyApi(JOBS, faults) as api, _client(api) as client:
        client.page(1)
        client.page(2)
        assert isinstance(_failure(lambda: client.page(3)), TryAgainLater)

    assert len(api.requests) == 5
    assert client.usage.throttled_seconds == pytest.approx(0.2, abs=0.01)


# waiting before the API has to ask


def _announce(reset: str, remaining: str = "0") -> Fault:
    return with_headers({"x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset})


def test_no_request_left() -> None:
    """When an answer announces that no request is left, the next one waits for the reset."""
    with FaultyApi(JOBS, {0: _announce("0.3")}) as api, _client(api) as client:
        client.page(1)
        client.page(2)

    first, second = api.requests
    assert 0.29 <= second.at - first.at < 0.3 + LEEWAY
    assert client.usage.throttled_seconds == pytest.approx(0.3, abs=0.1)
    assert (client.usage.requests, client.usage.retries) == (2, 0)


def test_requests_left() -> None:
    """As long as an answer announces requests left, none is held back."""
    with FaultyApi(JOBS, {0: _announce("30", remaining="1")}) as api, _client(api) as client:
        client.page(1)
        client.page(2)

    assert client.usage == Usage(requests=2, retries=0, throttled_seconds=0.0)


def test_no_request_left_and_none_wanted() -> None:
    """A wait that nobody waits for does not count."""
    with FaultyApi(JOBS, {0: _announce("30")}) as api, _client(api) as client:
        client.page(1)

    assert client.usage == Usage(requests=1, retries=0, throttled_seconds=0.0)


def test_announced_wait_beyond_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """An announced wait is no more than a minute, and counts against the budget as any other."""
    monkeypatch.setattr(client_module, "THROTTLE_BUDGET_SECONDS", 59.0)
    with FaultyApi(JOBS, {0: _announce("3600")}) as api, _client(api) as client:
        client.page(1)
        error = _failure(lambda: client.page(2))

    assert isinstance(error, TryAgainLater)
    assert "wait 60 s" in str(error)


# deadlines


@stalling
def test_deadline(name: str) -> None:
    """A request is over when its time is, whatever part of the answer is slow."""
    with (
        FaultyApi(JOBS, otherwise=stalls(TIMEOUT)[name]) as api,
        _client(api, timeout=TIMEOUT, max_retries=0) as client,
    ):
        began = time.monotonic()
        error = _failure(lambda: client.page(1))
        took = _took(began)

    assert TIMEOUT <= took < TIMEOUT + LEEWAY
    assert isinstance(error, ApiUnavailable)
    assert "time-out" in str(error)


@stalling
def test_retry_after_a_stall(name: str) -> None:
    """A request that took too long is made again, and the answer is the new one's."""
    timeout = 0.3
    with (
        FaultyApi(JOBS, {0: stalls(timeout)[name]}) as api,
        _client(api, timeout=timeout) as client,
    ):
        assert _ids(client.page(2)) == IDS[2:4]

    assert len(api.requests) == 2


def test_slow_but_in_time() -> None:
    """A slow answer that is whole within the time is taken."""
    with FaultyApi(JOBS, {0: late(0.3)}) as api, _client(api) as client:
        assert _ids(client.page(1)) == IDS[:2]

    assert len(api.requests) == 1


# what a run may cost


@pytest.mark.parametrize("most", [0, 1, 3])
def test_most_requests(most: int) -> None:
    """Exactly as many requests are sent as may be, and then the run is told how to go on."""
    with FaultyApi(JOBS) as api, _client(api, max_requests=most) as client:
        for number in range(most):
            client.page(number + 1)
        errors = [_failure(lambda: client.page(1)), _failure(lambda: client.job(IDS[0]))]

    assert [type(error) for error in errors] == [RequestBudgetSpent, RequestBudgetSpent]
    assert {error.exit_code for error in errors} == {75}
    assert len(api.requests) == client.usage.requests == most


def test_retries_are_requests_too() -> None:
    """Attempts count against the most requests, and none is waited for that may not be sent."""
    began = time.monotonic()
    faults = {0: refusal(500), 1: refusal(500), 2: refusal(429, {"Retry-After": "30"})}
    with FaultyApi(JOBS, faults) as api, _client(api, max_requests=3) as client:
        assert isinstance(_failure(lambda: client.page(1)), RequestBudgetSpent)

    assert _took(began) < 2
    assert len(api.requests) == 3
    assert client.usage == Usage(requests=3, retries=2, throttled_seconds=0.0)


def test_no_wait_for_a_request_that_may_not_be_sent() -> None:
    """An announced wait is not sat out when the requests are spent anyway."""
    began = time.monotonic()
    with FaultyApi(JOBS, {0: _announce("30")}) as api, _client(api, max_requests=1) as client:
        client.page(1)
        assert isinstance(_failure(lambda: client.page(2)), RequestBudgetSpent)

    assert _took(began) < 2


def test_most_requests_of_many_threads() -> None:
    """Threads together send no request more than one alone may."""
    with (
        FaultyApi(JOBS, otherwise=late(0.02)) as api,
        _client(api, max_requests=10) as client,
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
    with FaultyApi(JOBS, faults) as api, _client(api) as client:
        client.page(1)
        client.job(IDS[0])
        client.job("unknown")

    assert len(api.requests) == 7
    assert (client.usage.requests, client.usage.retries) == (7, 4)
    assert client.usage.throttled_seconds == pytest.approx(0.3, abs=0.001)


def test_usage_without_success() -> None:
    """The wait after the last attempt, which nobody waits for, does not count."""
    fault = refusal(429, {"Retry-After": "0.1"})
    with FaultyApi(JOBS, otherwise=fault) as api, _client(api, max_retries=2) as client:
        _failure(lambda: client.page(1))

    assert len(api.requests) == 3
    assert (client.usage.requests, client.usage.retries) == (3, 2)
    assert client.usage.throttled_seconds == pytest.approx(0.2, abs=0.001)


def test_waits_at_the_same_time() -> None:
    """Threads that wait at the same time cost the run that time once."""
    faults = _each(refusal(429, {"Retry-After": "0.4"}), 8)
    with FaultyApi(JOBS, faults) as api, _client(api) as client, ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        found = list(pool.map(client.job, [IDS[0]] * 8))
        took = _took(began)

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
    with FaultyApi(JOBS, faults) as api, _client(api) as client, ThreadPoolExecutor(6) as pool:
        found = list(pool.map(client.job, asked))

    assert [job.job_id for job in found if isinstance(job, Record)] == asked
    assert len(api.requests) == client.usage.requests == 40 + client.usage.retries


def test_report_of_a_wait() -> None:
    """A wait is told with its length, the attempt that follows, and what failed."""
    told = _first_wait(refusal(503, {"Retry-After": "7"}, code="10007", title="Down: for now"))

    assert told == {
        "seconds": 7.0,
        "attempt": 2,
        "reason": "the API fails (503 10007 Down: for now)",
    }


# the end


@pytest.mark.parametrize(
    "faults",
    [
        _each(refusal(429, {"Retry-After": "30"}), 2),
        _each(refusal(503, {"Retry-After": "30"}), 2),
        _each(_announce("30"), 1),
    ],
    ids=["rate limit", "failure", "announced"],
)
def test_close_wakes_a_wait(faults: dict[int, Fault]) -> None:
    """Closing the client ends the waits of other threads at once, and sends nothing more."""
    waits = threading.Event()

    def report(event: str, **fields: object) -> None:
        waits.set()

    with FaultyApi(JOBS, faults) as api, ThreadPoolExecutor(2) as pool:
        with _client(api, report=report) as client:
            if len(faults) == 1:
                client.page(1)
                waits.set()
            answers = [pool.submit(client.page, number) for number in (2, 3)]
            assert waits.wait(5)
            time.sleep(0.1)
        closed = time.monotonic()
        errors = [answer.exception(5) for answer in answers]
        took = _took(closed)

    assert took < 1
    assert [type(error) for error in errors] == [TryAgainLater, TryAgainLater]
    assert len(api.requests) == len(faults)


def test_closed_client() -> None:
    """A client that was closed sends nothing."""
    with FaultyApi(JOBS) as api, _client(api) as client:
        pass
    assert isinstance(_failure(lambda: client.page(1)), TryAgainLater)
    assert api.requests == []
