"""What the demo API refuses, and in which words."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.demo_account import ACCOUNT, ERROR_PAGE, NOW, client_of
from telnyx_jobs.demo_api import FakeApi, serve

Json = dict[str, Any]

PAGING = (
    "The provided 'page' parameter is invalid. It must be an object with 'size' and/or 'number' "
    "with numeric values."
)
SORTING = "The value provided for sorting is not valid. Check the value used and try again."
STATUS_VALUES = "The value must be one of pending, in_progress, completed, failed, expired."


@pytest.fixture(scope="module")
def api() -> Iterator[FakeApi]:
    """A server of the account at one instant."""
    jobs = ACCOUNT.jobs(NOW)
    with serve(lambda: jobs) as running:
        yield running


@pytest.fixture(scope="module")
def client(api: FakeApi) -> Iterator[httpx.Client]:
    """A client of that server, with its key."""
    with client_of(api) as opened:
        yield opened


@pytest.mark.parametrize(
    ("query", "code", "title", "detail", "source"),
    [
        ("page[number]=0", "10015", "Invalid pagination", PAGING, {"pointer": "page/number"}),
        ("page[number]=-1", "10015", "Invalid pagination", PAGING, {"pointer": "page/number"}),
        ("page[number]=two", "10015", "Invalid pagination", PAGING, {"pointer": "page/number"}),
        ("page=2", "10015", "Invalid pagination", PAGING, {"pointer": "page/number"}),
        ("page[size]=0", "10015", "Invalid pagination", PAGING, {"pointer": "page/size"}),
        ("page[size]=251", "10015", "Invalid pagination", PAGING, {"pointer": "page/size"}),
        ("page[size]=", "10015", "Invalid pagination", PAGING, {"pointer": "page/size"}),
        ("sort=-created_at", "10015", "Invalid sorting value", SORTING, {"pointer": "/sort"}),
        (
            "filter[type]=unheard_of",
            "10032",
            "Invalid enumerated value",
            "The value must be one of update_emergency_settings, delete_phone_numbers, "
            "update_phone_numbers.",
            {"parameter": "filter[type]"},
        ),
        (
            "filter[status][]=failed,expired",
            "10032",
            "Invalid enumerated value",
            STATUS_VALUES,
            {"parameter": "filter[status][]"},
        ),
        (
            "filter[status]=failed",
            "10031",
            "Invalid request filter",
            "The request filter filter[status] is invalid.",
            {"parameter": "filter[status]"},
        ),
    ],
)
def test_a_wrong_query_is_refused(
    client: httpx.Client, query: str, code: str, title: str, detail: str, source: Json
) -> None:
    """A wrong page, sort or filter is a 422 with the documented error."""
    answer = client.get(f"/phone_numbers/jobs?{query}")

    assert answer.status_code == 422
    assert answer.json() == {
        "errors": [
            {
                "code": code,
                "title": title,
                "detail": detail,
                "source": source,
                "meta": {"url": ERROR_PAGE + code},
            }
        ]
    }


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer KEYwrong"}], ids=["no", "wrong"])
def test_without_the_key_nothing_is_told(api: FakeApi, header: dict[str, str]) -> None:
    """No key or a wrong one is a 401, for unknown paths too."""
    for path in ("/phone_numbers/jobs", "/nothing"):
        answer = httpx.get(api.url + path, headers=header, trust_env=False)

        assert answer.status_code == 401
        assert answer.json() == {
            "errors": [
                {
                    "code": "10009",
                    "title": "Authentication failed",
                    "detail": "Could not understand the provided credentials.",
                    "meta": {"url": ERROR_PAGE + "10009"},
                }
            ]
        }


@pytest.mark.parametrize(
    "path", ["/phone_numbers/jobs/unknown", "/phone_numbers/jobs/", "/phone_numbers", "/"]
)
def test_what_is_not_there_is_not_found(client: httpx.Client, path: str) -> None:
    """An unknown job and an unknown path are the same 404."""
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.json() == {
        "errors": [
            {
                "code": "10005",
                "title": "Resource not found",
                "detail": "The requested resource or URL could not be found.",
                "source": {"pointer": "/base"},
                "meta": {"url": ERROR_PAGE + "10005"},
            }
        ]
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_only_reading_is_allowed(client: httpx.Client, method: str) -> None:
    """Any other method is a 405, and its body is not parsed as the next request."""
    answer = client.request(method, "/phone_numbers/jobs", content=b"GET / HTTP/1.1\r\n\r\n")

    assert answer.status_code == 405
    assert [error["code"] for error in answer.json()["errors"]] == ["10030"]
    assert client.get("/phone_numbers/jobs").status_code == 200


def test_too_many_requests_are_told_to_wait() -> None:
    """Beyond the budget of a second the answer is a 429 that says when to retry."""
    with serve(list, requests_per_second=2) as api, client_of(api) as client:
        answers = [client.get("/phone_numbers/jobs") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"2"}
    assert [answer.headers.get("Retry-After") for answer in answers] == [None, None, "1"]
    assert answers[-1].json() == {
        "errors": [
            {
                "code": "10011",
                "title": "Too many requests",
                "detail": "You have exceeded the maximum number of allowed requests.",
            }
        ]
    }
