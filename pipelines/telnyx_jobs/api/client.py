"""HTTP: requests, the key, paging and retries of the Telnyx job endpoints.

`GET {base}/phone_numbers/jobs` (list, newest first) and `GET {base}/phone_numbers/jobs/{id}`.
A request is retried as a whole, from sending to understanding its answer. No redirect and no
address from an answer is ever followed, so the key goes to the base URL and nowhere else.

Source: https://developers.telnyx.com/api-reference/bulk-phone-number-operations
"""

import re
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from http import HTTPStatus
from http.client import responses
from typing import Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import tenacity

from telnyx_jobs.addresses import checked_base_url
from telnyx_jobs.api.models import Filter, Page, Record, Rejected
from telnyx_jobs.api.parsing import BrokenAnswer, read_job, read_page
from telnyx_jobs.api.rate_limit import RateLimit, asked_wait, backoff, retry_after, until_date
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
from telnyx_jobs.text import printable
from telnyx_jobs.threads import in_thread
from telnyx_jobs.version import __version__

_Answer = tuple[int, httpx.Headers, bytearray]
"""Status, headers and whole body."""
_Params = dict[str, str | Sequence[str]]
"""Query parameters; each member of a sequence is a parameter."""

JOBS_PATH = "phone_numbers/jobs"
_CONNECT_SECONDS = 10.0
_KEY_PART = 8
_RETRIED = {404, 408, 409, 425, 429}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

T = TypeVar("T")


class WrongRequest(ApiUnavailable):
    """The API finds the request itself wrong (400, 422)."""


class _Transient(Exception):
    """An attempt that may succeed when made again."""

    def __init__(self, final: TelnyxJobsError, wait: float | None = None) -> None:
        super().__init__(str(final))
        self.final = final
        """What the user reads if no attempt is left."""
        self.wait = wait
        """Seconds that the API asks to wait; None means the usual back-off."""


class Client:
    """The two job endpoints of one account. May be used from several threads.

    `timeout` is in seconds, for one request and all of its answer. Each record passes through the
    filters, in their order, before anybody sees it. Methods raise
    KeyRefused, ApiUnavailable, UnreadableAnswer or TryAgainLater.
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
        filters: Sequence[Filter] = (),
    ) -> None:
        self.page_size = page_size
        self._limit = RateLimit(max_requests)
        self.usage = self._limit.usage
        self.clock_ahead_seconds: float | None = None
        """This machine's clock minus the API's, at the newest answer with a time."""
        self._base_url = checked_base_url(base_url)
        self._api_key = checked_key(api_key)
        self.key_fingerprint = blake2b(self._api_key.encode(), digest_size=8).hexdigest()
        """Distinguishes keys, and reveals nothing of them."""
        self._timeout = timeout
        self._max_retries = max_retries
        self._report = report
        self._filters = filters
        self._http = self._opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._limit.close()
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

    def page(
        self, number: int, *, job_type: str | None = None, statuses: Sequence[str] = ()
    ) -> Page:
        """Page `number`, from 1, of the jobs, newest first.

        Of one type and of some statuses alone, where given; an API that refuses such a filter
        raises WrongRequest, one that ignores it shows other jobs too.
        """
        params: _Params = {"page[number]": str(number), "page[size]": str(self.page_size)}
        if job_type is not None:
            params["filter[type]"] = job_type
        if statuses:
            params["filter[status][]"] = statuses

        def read(body: bytearray) -> Page:
            page = read_page(body)
            # an account without jobs may be announced as one page
            is_no_list = page.total_pages == 1 and not page.total_results
            if not page.records and number <= (page.total_pages or 0) and not is_no_list:
                raise BrokenAnswer(f"page {number} of {page.total_pages} is empty")
            return page

        page = self._get(JOBS_PATH, params, read)
        if page is None:
            raise ApiUnavailable(
                f"{self._base_url} has no {JOBS_PATH} (404): check --base-url or TELNYX_BASE_URL"
            )
        page.records = [self._filtered(record) for record in page.records]
        return page

    def job(self, job_id: str) -> Record | Rejected | None:
        """The job by its id; None when the API does not know it.

        It says so with 404, or of an id unlike its own also with 400 or 422.
        """
        # dots too: `..` would name another address
        segment = quote(job_id, safe="", errors="replace").replace(".", "%2E")
        try:
            record = self._get(f"{JOBS_PATH}/{segment}", {}, read_job)
        except WrongRequest:
            if _UUID.fullmatch(job_id):
                raise
            return None
        return record and self._filtered(record)

    def _filtered(self, record: Record | Rejected) -> Record | Rejected:
        for each in self._filters:
            record = each.record(record)
        return record

    def _get(self, path: str, params: _Params, read: Callable[[bytearray], T]) -> T | None:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Transient),
            stop=tenacity.stop_after_attempt(self._max_retries + 1),
            wait=self._wait_seconds,
            sleep=self._limit.sleep,
            before_sleep=self._before_sleep,
            reraise=True,
        )
        try:
            return attempts(self._attempt, path, params, read)
        except _Transient as error:
            raise error.final from None

    def _attempt(self, path: str, params: _Params, read: Callable[[bytearray], T]) -> T | None:
        self._limit.admit()
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
        self._limit.received(len(body))
        api_ahead = until_date(headers.get("date", ""))
        if api_ahead is not None:
            self.clock_ahead_seconds = -api_ahead
        if 200 <= status < 300:
            self._limit.pace(headers)
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

    def _send(self, path: str, params: _Params) -> _Answer:
        """The whole answer, within the deadline."""
        # httpx bounds each step, not their sum, and the look-up of a name not at all. A thread
        # left behind ends by itself: a step later at most, and with the process in any case.
        answer = in_thread(lambda: self._exchange(path, params))
        try:
            return answer.result(self._timeout)
        except TimeoutError:
            raise httpx.ReadTimeout(f"not complete after {self._timeout:g} s") from None

    def _exchange(self, path: str, params: _Params) -> _Answer:
        deadline = time.monotonic() + self._timeout
        timeout = httpx.Timeout(self._timeout, connect=min(_CONNECT_SECONDS, self._timeout))
        url = f"{self._base_url}/{path}"
        with self._http.stream("GET", url, params=params, timeout=timeout) as response:
            # a list of the chunks would hold the answer twice
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("nobody waits for the rest")
            return response.status_code, response.headers, body

    def _refusal(self, status: int, headers: httpx.Headers, body: bytearray) -> Exception:
        said = self._without_key(
            f"{status} {_error_title(body) or responses.get(status, '')}".strip()
        )[:80]
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return KeyRefused(
                f"the API refuses the key ({said}): give a valid key in TELNYX_API_KEY "
                "(https://portal.telnyx.com/#/api-keys)"
            )
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            final = TryAgainLater(f"the API's rate limit holds ({said}): run again later")
            return _Transient(final, asked_wait(headers))
        # a 404 comes here when it is a gateway's page, which knows nothing of jobs
        if status in _RETRIED or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            failed = ApiUnavailable(f"the API fails ({said}): run again later")
            # the limits that come with every answer do not say when a failure is over
            return _Transient(failed, retry_after(headers))
        if 300 <= status < 400:
            return ApiUnavailable(
                f"{self._base_url} redirects elsewhere ({said}), which is not followed: "
                "give the final address in --base-url or TELNYX_BASE_URL"
            )
        is_wrong = status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
        refusal = WrongRequest if is_wrong else ApiUnavailable
        return refusal(f"the API refuses the request ({said}): check the options of this run")

    def _wait_seconds(self, state: tenacity.RetryCallState) -> float:
        """Seconds until the next attempt, if there is one: tenacity asks after the last one too."""
        wait = _failure(state).wait
        if wait is not None:
            return wait
        return backoff(state.attempt_number)

    def _before_sleep(self, state: tenacity.RetryCallState) -> None:
        failure = _failure(state)
        is_asked = failure.wait is not None or isinstance(failure.final, TryAgainLater)
        self._limit.admit_retry(state.upcoming_sleep, is_asked=is_asked)
        self._report(
            "wait",
            seconds=state.upcoming_sleep,
            attempt=state.attempt_number + 1,
            # what failed, without what to do
            reason=str(failure).rpartition(": ")[0],
        )

    def _without_key(self, text: str) -> str:
        """The text without any part of the key of eight characters or more, and filtered."""
        key = self._api_key
        shortest = min(_KEY_PART, len(key))
        starts = range(len(key) - shortest + 1)
        # the longest first, so that no end of a part remains
        parts = [key[i:end] for i in starts for end in range(len(key), i + shortest - 1, -1)]
        text = re.sub("|".join(map(re.escape, sorted(parts, key=len, reverse=True))), "[key]", text)
        for each in self._filters:
            text = each.said(text)
        return text


def _failure(state: tenacity.RetryCallState) -> _Transient:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, _Transient)
    return error


def checked_key(api_key: str) -> str:
    """The key without white space around it. Raises KeyRefused for one that no header can carry."""
    key = api_key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise KeyRefused(
            "the key holds white space, a control character or a letter that is not ASCII: "
            "copy it again from https://portal.telnyx.com/#/api-keys into TELNYX_API_KEY"
        )
    return key


class _ErrorBody(msgspec.Struct):
    errors: Sequence["_ErrorLine"] = ()


class _ErrorLine(msgspec.Struct):
    code: str | None = None
    title: str | None = None


def _error_title(body: bytearray) -> str | None:
    """Code and title of Telnyx's error body, such as `10009 Authentication failed`, in one line."""
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).errors[0]
    except (ValueError, RecursionError, IndexError):
        return None
    return printable(f"{error.code or ''} {error.title or ''}") or None


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "time-out"
    if isinstance(error, httpx.ConnectError):
        return f"no connection, {error}"
    return "connection broke off" if isinstance(error, httpx.TransportError) else "bad encoding"
