"""HTTP: addresses, the key, paging, retries and limits of the Telnyx job endpoints.

`GET {base}/phone_numbers/jobs` (list, newest first) and `GET {base}/phone_numbers/jobs/{id}`.
A request is retried as a whole, from sending to understanding its answer. No redirect and no
address from an answer is ever followed, so the key goes to the base URL and nowhere else.

Source: https://developers.telnyx.com/api-reference/bulk-phone-number-operations and
https://developers.telnyx.com/development/api-fundamentals/reliability/rate-limiting
"""

import ipaddress
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from random import uniform
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import tenacity

from telnyx_jobs import __version__
from telnyx_jobs.api.models import BrokenAnswer, Page, Record, Rejected, read_job, read_page
from telnyx_jobs.errors import (
    ApiUnavailable,
    BadConfiguration,
    KeyRefused,
    TelnyxJobsError,
    TryAgainLater,
    UnreadableAnswer,
)
from telnyx_jobs.progress import Report, nothing
from telnyx_jobs.settings import MAX_PAGE_SIZE

_Answer = tuple[int, httpx.Headers, bytes]
"""Status, headers and whole body."""

JOBS_PATH = "phone_numbers/jobs"
THROTTLE_BUDGET_SECONDS = 900.0
"""How long one run waits because the API asks for it, all waits together."""
_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 20.0
_CONNECT_SECONDS = 10.0
_EPOCH_FROM = 1_000_000
"""A rate-limit reset this large is a time since 1970; a smaller one is seconds to wait."""
_KEY_PART = 8
_RETRIED = {404, 408, 409, 425, 429}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

T = TypeVar("T")


class RequestBudgetSpent(TryAgainLater):
    """The run may send no further request (`--max-requests`)."""


class _WrongRequest(ApiUnavailable):
    """The API finds what was asked for wrong in itself (400, 422)."""


class _Transient(Exception):
    """An attempt that may succeed when made again."""

    def __init__(self, final: TelnyxJobsError, wait: float | None = None) -> None:
        super().__init__(str(final))
        self.final = final
        """What the user is told when no attempt is left."""
        self.wait = wait
        """Seconds the API asks to wait; None leaves it to the back-off."""


@dataclass
class Usage:
    """What the requests of a run cost."""

    requests: int = 0
    retries: int = 0
    throttled_seconds: float = 0.0
    """Time in which the API asked to wait; threads that wait at the same time count once."""
    received_bytes: int = field(default=0, compare=False)
    """Of answers, unpacked."""


class Client:
    """The two job endpoints of one account. May be used from several threads.

    `timeout` is in seconds, for one request and all of its answer. Methods raise KeyRefused,
    ApiUnavailable, UnreadableAnswer or TryAgainLater.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        page_size: int = MAX_PAGE_SIZE,
        timeout: float = 60.0,
        max_retries: int = 8,
        max_requests: int | None = None,
        report: Report = nothing,
    ) -> None:
        self.page_size = page_size
        self.usage = Usage()
        self.clock_ahead_seconds: float | None = None
        """This machine's clock less the API's at its newest answer that told a time."""
        self._base_url = checked_base_url(base_url)
        self._api_key = checked_key(api_key)
        self._timeout = timeout
        self._max_retries = max_retries
        self._max_requests = max_requests
        self._report = report
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._not_before = 0.0
        self._throttled_until = 0.0
        self._http = self._opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # wakes the threads that wait between two attempts
        self._closed.set()
        self._http.close()

    def _opened(self) -> httpx.Client:
        headers = {
            "Authorization": f"Bearer {self._api_key}",
            "Accept": "application/json",
            "User-Agent": f"telnyx-jobs/{__version__}",
        }
        # http is for loopback alone, and a proxy would carry the key off it
        trust_env = self._base_url.startswith("https:")
        try:
            return httpx.Client(headers=headers, follow_redirects=False, trust_env=trust_env)
        except (OSError, ValueError, ImportError, httpx.InvalidURL):
            # `from None`: the exception of an unusable proxy can hold its password
            raise BadConfiguration(
                "the environment's proxy or certificates cannot be used: check HTTPS_PROXY, "
                "ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
            ) from None

    def page(self, number: int, *, job_type: str | None = None) -> Page:
        """Page `number`, from 1, of the jobs, newest first."""
        params = {"page[number]": str(number), "page[size]": str(self.page_size)}
        if job_type is not None:
            params["filter[type]"] = job_type

        def read(body: bytes) -> Page:
            page = read_page(body)
            # an account without jobs may be told as one page of none
            is_no_list = page.total_pages == 1 and not page.total_results
            if not page.records and number <= (page.total_pages or 0) and not is_no_list:
                raise BrokenAnswer(f"page {number} of {page.total_pages} is empty")
            return page

        page = self._get(JOBS_PATH, params, read)
        if page is None:
            raise ApiUnavailable(
                f"{self._base_url} has no {JOBS_PATH} (404): check --base-url or TELNYX_BASE_URL"
            )
        return page

    def job(self, job_id: str) -> Record | Rejected | None:
        """The job by its id; None when the API does not know it.

        It says so with 404, or of an id unlike its own also with 400 or 422.
        """
        # dots too: `..` would name another address
        segment = quote(job_id, safe="", errors="replace").replace(".", "%2E")
        try:
            return self._get(f"{JOBS_PATH}/{segment}", {}, read_job)
        except _WrongRequest:
            if _UUID.fullmatch(job_id):
                raise
            return None

    def _get(self, path: str, params: dict[str, str], read: Callable[[bytes], T]) -> T | None:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Transient),
            stop=tenacity.stop_after_attempt(self._max_retries + 1),
            wait=self._wait_seconds,
            sleep=self._sleep,
            before_sleep=self._before_sleep,
            reraise=True,
        )
        try:
            return attempts(self._attempt, path, params, read)
        except _Transient as error:
            raise error.final from None

    def _attempt(self, path: str, params: dict[str, str], read: Callable[[bytes], T]) -> T | None:
        announced = self._not_before - time.monotonic()
        if announced > 0:
            with self._lock:
                self._check_may_send()
                self._throttle(announced)
            self._sleep(announced)
        with self._lock:
            self._check_may_send()
            self.usage.requests += 1
        try:
            status, headers, body = self._send(path, params)
        except (httpx.TransportError, httpx.DecodingError) as error:
            # `from None`: the exception of an illegal header holds the header
            raise _Transient(
                ApiUnavailable(
                    f"{self._base_url} does not answer ({_reason(error)}): "
                    "check the network and --base-url, then run again"
                )
            ) from None
        with self._lock:
            self.usage.received_bytes += len(body)
        until_date = _seconds_until_date(headers.get("date", ""))
        if until_date is not None:
            self.clock_ahead_seconds = -until_date
        if 200 <= status < 300:
            self._pace(headers)
            try:
                return read(body)
            except BrokenAnswer as error:
                raise _Transient(
                    UnreadableAnswer(
                        f"{self._base_url} gives no usable answer ({error}): "
                        "check --base-url; if it is right, run again later"
                    )
                ) from None
        if status == HTTPStatus.NOT_FOUND and not body.lstrip().startswith(b"<"):
            return None
        raise self._refusal(status, headers, body)

    def _send(self, path: str, params: dict[str, str]) -> _Answer:
        """The whole answer, within the deadline."""
        answer: Future[_Answer] = Future()

        def exchange() -> None:
            try:
                answer.set_result(self._exchange(path, params))
            except BaseException as error:
                answer.set_exception(error)

        # httpx bounds each step, not their sum, and the look-up of a name not at all. A thread
        # left behind ends by itself: a step later at most, and with the process in any case.
        threading.Thread(target=exchange, daemon=True).start()
        try:
            return answer.result(self._timeout)
        except TimeoutError:
            raise httpx.ReadTimeout(f"not complete after {self._timeout:g} s") from None

    def _exchange(self, path: str, params: dict[str, str]) -> _Answer:
        deadline = time.monotonic() + self._timeout
        timeout = httpx.Timeout(self._timeout, connect=min(_CONNECT_SECONDS, self._timeout))
        url = f"{self._base_url}/{path}"
        with self._http.stream("GET", url, params=params, timeout=timeout) as response:
            chunks = []
            for chunk in response.iter_bytes():
                chunks.append(chunk)
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("nobody waits for the rest")
            return response.status_code, response.headers, b"".join(chunks)

    def _refusal(self, status: int, headers: httpx.Headers, body: bytes) -> Exception:
        said = self._without_key(f"{status} {_error_title(body) or _phrase(status)}".strip())[:80]
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return KeyRefused(
                f"the API refuses the key ({said}): give a valid key in TELNYX_API_KEY "
                "(https://portal.telnyx.com/#/api-keys)"
            )
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            final = TryAgainLater(f"the API's rate limit holds ({said}): run again later")
            return _Transient(final, _asked_wait(headers))
        # a 404 comes here when it is a gateway's page, which knows nothing of jobs
        if status in _RETRIED or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            failed = ApiUnavailable(f"the API fails ({said}): run again later")
            # the limits that come with every answer do not say when a failure is over
            return _Transient(failed, _retry_after(headers))
        if 300 <= status < 400:
            return ApiUnavailable(
                f"{self._base_url} redirects elsewhere ({said}), which is not followed: "
                "give the final address in --base-url or TELNYX_BASE_URL"
            )
        is_wrong = status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
        refusal = _WrongRequest if is_wrong else ApiUnavailable
        return refusal(f"the API refuses the request ({said}): check the options of this run")

    def _check_may_send(self) -> None:
        """Raises TryAgainLater when no further request may be sent. The lock must be held."""
        if self._closed.is_set():
            raise TryAgainLater("the run was stopped: run again")
        if self._max_requests is not None and self.usage.requests >= self._max_requests:
            raise RequestBudgetSpent(
                f"{self._max_requests} requests are spent (--max-requests): "
                "run again to go on from here"
            )

    def _throttle(self, wait: float) -> None:
        """Count a wait that begins now and that the API asks for. The lock must be held.

        Raises TryAgainLater when it is more than the run may wait.
        """
        now = time.monotonic()
        added = max(0.0, wait - max(0.0, self._throttled_until - now))
        if self.usage.throttled_seconds + added > THROTTLE_BUDGET_SECONDS:
            raise TryAgainLater(f"the API asks to wait {wait:.0f} s: run again after that")
        self.usage.throttled_seconds += added
        self._throttled_until = max(self._throttled_until, now + wait)

    def _wait_seconds(self, state: tenacity.RetryCallState) -> float:
        """Seconds until the next attempt, if there is one: tenacity asks after the last one too."""
        wait = _failure(state).wait
        if wait is not None:
            return wait
        doubled = _FIRST_BACKOFF_SECONDS * 2 ** (state.attempt_number - 1)
        backoff = min(doubled, _LONGEST_BACKOFF_SECONDS)
        return uniform(backoff / 2, backoff)

    def _before_sleep(self, state: tenacity.RetryCallState) -> None:
        failure = _failure(state)
        with self._lock:
            self._check_may_send()
            if failure.wait is not None or isinstance(failure.final, TryAgainLater):
                self._throttle(state.upcoming_sleep)
            self.usage.retries += 1
        self._report(
            "wait",
            seconds=state.upcoming_sleep,
            attempt=state.attempt_number + 1,
            # what failed, without what to do
            reason=str(failure).rpartition(": ")[0],
        )

    def _sleep(self, seconds: float) -> None:
        if seconds > 0 and self._closed.wait(seconds):
            raise TryAgainLater("the run was stopped: run again")

    def _pace(self, headers: httpx.Headers) -> None:
        """Spare the API a refusal: nothing is sent while it announces no request left."""
        if headers.get("x-ratelimit-remaining") == "0":
            wait = min(_asked_wait(headers) or 0.0, 60.0)
            with self._lock:
                self._not_before = max(self._not_before, time.monotonic() + wait)

    def _without_key(self, text: str) -> str:
        """The text with each stretch of the key, from eight characters on, taken out."""
        key = self._api_key
        shortest = min(_KEY_PART, len(key))
        starts = range(len(key) - shortest + 1)
        # the longest first, so that no end of a stretch is left standing
        parts = [key[i:end] for i in starts for end in range(len(key), i + shortest - 1, -1)]
        return re.sub("|".join(map(re.escape, sorted(parts, key=len, reverse=True))), "[key]", text)


def _failure(state: tenacity.RetryCallState) -> _Transient:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, _Transient)
    return error


def checked_base_url(base_url: str) -> str:
    """The address without a slash at its end. Raises BadConfiguration for one not to be used."""
    try:
        url = httpx.URL(base_url.strip())
        # httpx looks at neither, and what it calls then fails with errors of its own
        is_name = bool(url.host.encode("idna")) and "%" not in url.host
        is_reachable = is_name and 0 < (url.port or 443) < 65_536
    except (httpx.InvalidURL, ValueError):
        url, is_reachable = httpx.URL(""), False
    is_plain = not (url.userinfo or "?" in base_url or "#" in base_url)
    if url.scheme not in ("http", "https") or not is_reachable or not is_plain:
        raise BadConfiguration(
            "the base URL is not a plain http(s) address: "
            "give one such as https://api.telnyx.com/v2 in --base-url or TELNYX_BASE_URL"
        )
    if url.scheme == "http" and not _is_loopback(url.host):
        raise BadConfiguration(
            f"the base URL would send the key to {url.host} unencrypted: use https"
        )
    return str(url).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_key(api_key: str) -> str:
    """The key without white space around it. Raises KeyRefused for one that no header can carry."""
    key = api_key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise KeyRefused(
            "the key holds white space, a control character or a letter that is not ASCII: "
            "copy it again from https://portal.telnyx.com/#/api-keys into TELNYX_API_KEY"
        )
    return key


def _asked_wait(headers: httpx.Headers) -> float | None:
    """Seconds until the rate limit allows more; None when the answer says nothing usable."""
    retry_after = _retry_after(headers)
    if retry_after is not None:
        return retry_after
    reset = _number(headers.get("x-ratelimit-reset", ""))
    if reset is None:
        return None
    return max(reset - time.time() if reset > _EPOCH_FROM else reset, 0.0)


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds, from seconds or from a date; None when there is neither."""
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is None:
        seconds = _seconds_until_date(text)
    return None if seconds is None else max(seconds, 0.0)


def _number(text: str) -> float | None:
    digits = text.strip().replace(".", "", 1)
    return float(text) if digits.isascii() and digits.isdecimal() else None


def _seconds_until_date(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time()


class _ErrorBody(msgspec.Struct):
    errors: Sequence["_ErrorLine"] = ()


class _ErrorLine(msgspec.Struct):
    code: str | None = None
    title: str | None = None


def _error_title(body: bytes) -> str | None:
    """Code and title of Telnyx's error body, such as `10009 Authentication failed`, in one line."""
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).errors[0]
    except (ValueError, RecursionError, IndexError):
        return None
    title = f"{error.code or ''} {error.title or ''}"
    return " ".join("".join(c if c.isprintable() else " " for c in title).split()) or None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "time-out"
    if isinstance(error, httpx.ConnectError):
        return f"no connection, {error}"
    return "connection broke off" if isinstance(error, httpx.TransportError) else "bad encoding"
