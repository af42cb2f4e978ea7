"""What the tests of the client share: jobs, a key, and calls of a client."""

import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from support.answer_faults import SURVIVABLE, refusal, with_headers
from support.faulty_api import Fault, FaultyApi, some_jobs
from telnyx_jobs.api.client import (
    Client,
)
from telnyx_jobs.api.models import Page
from telnyx_jobs.errors import (
    TelnyxJobsError,
)

KEY = "KEY0199A1B2C3D4E5F60718293A4B5C6D7_aBcDeFgHiJkLmNoPqRsTuV"
JOBS = some_jobs(5)
IDS = [job["id"] for job in JOBS]
LIST = "/v2/phone_numbers/jobs"
LEEWAY = 0.5
"""Further seconds that such a test allows on a busy machine."""

retryable = pytest.mark.parametrize("case", SURVIVABLE.values(), ids=SURVIVABLE.keys())


def client_for(api: FaultyApi, **options: Any) -> Client:
    return Client(api.url, KEY, **{"page_size": 2, "timeout": 5.0, **options})


def page_of(api: FaultyApi, number: int = 1, **options: Any) -> Page:
    with client_for(api, **options) as client:
        return client.page(number)


def ids_of(page: Page) -> list[str | None]:
    return [record.job_id for record in page.records]


def each_of(fault: Fault, times: int) -> dict[int, Fault]:
    """The fault for the first requests, this many of them."""
    return dict.fromkeys(range(times), fault)


def failure_of(call: Callable[[], object]) -> TelnyxJobsError:
    """What the call fails with; its message must suit a user."""
    with pytest.raises(TelnyxJobsError) as caught:
        call()
    message = str(caught.value)
    what_failed, _, what_to_do = message.rpartition(": ")
    assert what_failed
    assert what_to_do
    assert message.isprintable()
    assert len(message) < 250
    assert KEY not in all_text(caught.value)
    return caught.value


def all_text(error: BaseException) -> str:
    """Everything that an error shows: its traceback, and every error behind it."""
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


class _Reported(Exception):
    """The first wait that a client announces."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        super().__init__()
        self.fields = fields


def _tell(event: str, **fields: object) -> None:
    assert event == "wait"
    raise _Reported(fields)


def first_wait(fault: Fault) -> Mapping[str, object]:
    """What a client reports about the wait that follows the fault, without waiting for it."""
    with FaultyApi(JOBS, {0: fault}) as api, pytest.raises(_Reported) as reported:
        page_of(api, report=_tell)
    return reported.value.fields


def asked_seconds(status: int, headers: Mapping[str, str | None]) -> float:
    seconds = first_wait(refusal(status, headers))["seconds"]
    assert isinstance(seconds, float)
    return seconds


def seconds_since(since: float) -> float:
    return time.monotonic() - since


# waiting before the API has to ask


def announcing(reset: str, remaining: str = "0") -> Fault:
    return with_headers({"x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset})
