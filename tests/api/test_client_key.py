"""The key, which goes only to the API and into no message, and the connection."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.answer_faults import redirect, refusal, whole
from support.client_trials import (
    IDS,
    JOBS,
    KEY,
    all_text,
    client_for,
    failure_of,
    first_wait,
    ids_of,
    page_of,
)
from support.faulty_api import FaultyApi
from telnyx_jobs.api.client import (
    Client,
    checked_key,
)
from telnyx_jobs.errors import (
    ApiUnavailable,
    BadConfiguration,
    KeyRefused,
    UnreadableAnswer,
)

pytestmark = pytest.mark.usefixtures("short_waits")


# the key


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(status: int) -> None:
    """A redirect is final, and the key goes nowhere else."""
    with FaultyApi(JOBS) as other, FaultyApi(JOBS, otherwise=redirect(status, other.url)) as api:
        error = failure_of(lambda: page_of(api))

    assert isinstance(error, ApiUnavailable)
    assert "--base-url" in str(error)
    assert len(api.requests) == 1
    assert other.requests == []


def test_redirect_of_a_job() -> None:
    """A redirect is neither a job nor a missing job."""
    with (
        FaultyApi(JOBS) as other,
        FaultyApi(JOBS, otherwise=redirect(302, other.url)) as api,
        client_for(api) as client,
    ):
        assert isinstance(failure_of(lambda: client.job(IDS[0])), ApiUnavailable)

    assert other.requests == []


@pytest.mark.parametrize("white", ["\n", "\r\n", " ", "\t\n "])
def test_key_with_white_space_around(white: str) -> None:
    """White space around a key is removed: copying and files add it."""
    with FaultyApi(JOBS) as api, Client(api.url, f"{white}{KEY}{white}") as client:
        client.page(1)

    assert api.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "inner", ["\n", "\r\nX-Evil: 1", " ", "\t", "\x00", "\x7f", "é", "€", "鍵"]
)
def test_key_with_a_wrong_character(inner: str) -> None:
    """A key that no header can carry is refused without repeating it, before any request."""
    key = f"{KEY[:20]}{inner}{KEY[20:]}"
    with FaultyApi(JOBS) as api:
        error = failure_of(lambda: Client(api.url, key))

    assert isinstance(error, KeyRefused)
    assert KEY[:20] not in all_text(error)
    assert KEY[20:] not in all_text(error)
    assert api.requests == []


@pytest.mark.parametrize("key", ["", " ", "\n"])
def test_no_key(key: str) -> None:
    """An empty key is refused."""
    assert isinstance(failure_of(lambda: checked_key(key)), KeyRefused)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100), st.sampled_from([401, 403, 422, 429, 500]))
def test_echoed_key(place: int, status: int) -> None:
    """A key that the API repeats in its reason is not printed, wherever it occurs in the reason."""
    fault = refusal(status, title=f"{'x' * place} {KEY} is invalid")
    with FaultyApi(JOBS, otherwise=fault) as api:
        error = failure_of(lambda: page_of(api, max_retries=0))

    assert KEY[:8] not in all_text(error)


def test_echoed_key_in_progress() -> None:
    """A key that the API repeats is not in the progress of a waiting run either."""
    reason = first_wait(refusal(503, title=f"{KEY} is invalid"))["reason"]

    assert reason == "the API fails (503 10007 [key] is invalid)"


def test_echoed_key_in_a_body() -> None:
    """An answer that cannot be read is not quoted."""
    with FaultyApi(JOBS, otherwise=whole(200, f"<p>{KEY}</p>".encode())) as api:
        assert isinstance(failure_of(lambda: page_of(api, max_retries=0)), UnreadableAnswer)


def test_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to loopback, which is not encrypted, does not use the environment's proxies."""
    with FaultyApi(JOBS) as api, FaultyApi(JOBS) as proxy:
        _set_proxy(monkeypatch, proxy)
        assert ids_of(page_of(api)) == IDS[:2]

    assert proxy.requests == []


def test_https_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request over https uses the environment's proxy, which never sees the key."""
    with FaultyApi(JOBS) as proxy:
        _set_proxy(monkeypatch, proxy)
        with Client("https://api.telnyx.invalid/v2", KEY, max_retries=0) as client:
            assert isinstance(failure_of(lambda: client.page(1)), ApiUnavailable)

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
    """A proxy or a certificate file that cannot be used is reported with the variables' names."""
    monkeypatch.setenv(name, value)
    monkeypatch.delenv(name.lower(), raising=False)
    error = failure_of(lambda: Client("https://api.telnyx.com/v2", KEY))

    assert isinstance(error, BadConfiguration)
    assert name in str(error)
    assert "secret" not in str(error)
