"""The demo API: the account it shows, and how it answers over HTTP."""

import ast
import gzip
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from hypothesis import settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import telnyx_jobs.fake_api
from telnyx_jobs.fake_api import Account, FakeApi, serve

Json = dict[str, Any]

NOW = datetime(2026, 11, 23, 12, 34, 56, 789_000, tzinfo=UTC)
# irregular steps over more than a year, so that every phase of the account is met
INSTANTS = [NOW + step * timedelta(days=17, hours=5, minutes=41, seconds=13) for step in range(24)]
JOBS = "/v2/phone_numbers/jobs"
OUTCOMES = ("successful_operations", "pending_operations", "failed_operations")
ERROR_PAGE = "https://developers.telnyx.com/docs/overview/errors/"

# one account for all tests, so that what has finished is drawn once
ACCOUNT = Account()
SCHEMA = schemathesis.openapi.from_path(Path(__file__).parent / "data" / "openapi.json")


@pytest.fixture(scope="module")
def api() -> Iterator[FakeApi]:
    """A server of the account at one instant."""
    jobs = ACCOUNT.jobs(NOW)
    with serve(lambda: jobs) as running:
        yield running


@pytest.fixture(scope="module")
def client(api: FakeApi) -> Iterator[httpx.Client]:
    """A client of that server, with its key."""
    with _client(api) as opened:
        yield opened


def _client(api: FakeApi, key: str | None = None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key or api.key}"}
    return httpx.Client(base_url=api.url, headers=headers, trust_env=False)


def _python(program: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    )


def _is_open(job: Mapping[str, Any]) -> bool:
    return job["status"] in ("pending", "in_progress")


def _answers(job: Json, asked: Json) -> int:
    """How many operations answer a number asked for."""
    ((key, value),) = asked.items()
    return sum(operation[key] == value for outcome in OUTCOMES for operation in job[outcome])


def _faults(jobs: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Each error, with its job."""
    for job in jobs:
        for operation in job["failed_operations"]:
            for error in operation["errors"]:
                yield job, error


# the account


def test_two_processes_show_the_same_account() -> None:
    """A process of its own draws exactly the account that this one draws."""
    program = (
        "import json, datetime; from telnyx_jobs.fake_api import Account;"
        f"now = datetime.datetime.fromisoformat('{NOW.isoformat()}');"
        "print(json.dumps(Account().jobs(now)))"
    )
    with _python(program) as process:
        printed, _ = process.communicate()

    assert json.loads(printed) == Account().jobs(NOW)


def test_another_seed_is_another_account() -> None:
    """No job and no phone number id is shared between two seeds."""
    one, other = ACCOUNT.jobs(NOW), Account(seed=1).jobs(NOW)

    assert {job["id"] for job in one}.isdisjoint(job["id"] for job in other)
    assert {op["id"] for job in one for op in job["successful_operations"]}.isdisjoint(
        op["id"] for job in other for op in job["successful_operations"]
    )


def test_history_does_not_depend_on_what_was_asked_before() -> None:
    """An account asked for later instants first shows an earlier one as a new account does."""
    account = Account()
    for instant in reversed(INSTANTS):
        account.jobs(instant)

    assert account.jobs(NOW) == Account().jobs(NOW)


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_the_account_always_shows_every_kind_of_job(instant: datetime) -> None:
    """All types, all statuses, the largest size and the smallest are there at any instant."""
    jobs = ACCOUNT.jobs(instant)
    sizes = Counter(len(job["phone_numbers"]) for job in jobs)

    assert {job["type"] for job in jobs} == {
        "update_emergency_settings",
        "delete_phone_numbers",
        "update_phone_numbers",
    }
    assert {job["status"] for job in jobs} == {
        "pending",
        "in_progress",
        "completed",
        "failed",
        "expired",
    }
    assert (min(sizes), max(sizes)) == (1, 1_000)
    assert sizes[1_000] >= 2


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_jobs_are_newest_first_and_no_older_than_90_days(instant: datetime) -> None:
    """Creation times fall strictly, from at most `now` to above `now` less 90 days."""
    created = [datetime.fromisoformat(job["created_at"]) for job in ACCOUNT.jobs(instant)]

    assert created == sorted(set(created), reverse=True)
    assert created[0] <= instant
    assert created[-1] > instant - timedelta(days=90)


def test_every_job_has_the_newest_documented_shape() -> None:
    """Each job has the documented fields, its times in UTC milliseconds, its ids as text."""
    jobs = ACCOUNT.jobs(NOW)
    documented = set(_documented_job()["properties"])
    times = {job[name] for job in jobs for name in ("etc", "created_at", "updated_at")}
    operations = [operation for job in jobs for name in OUTCOMES for operation in job[name]]

    assert {frozenset(job) for job in jobs} == {frozenset(documented)}
    assert not [
        time for time in times if not re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z", time)
    ]
    assert not [op for op in operations if not re.fullmatch("[0-9]{19}", op["id"])]


def _documented_job() -> Json:
    document: Json = SCHEMA.raw_schema["components"]["schemas"]["PhoneNumbersJob"]
    return document


def test_all_phone_numbers_are_fictional() -> None:
    """No number lies outside of the ranges that numbering plans keep for fiction."""
    fictional = re.compile(r"\+1[2-9][0-9]{2}55501[0-9]{2}|\+442079460[0-9]{3}")
    numbers = {
        operation["phone_number"]
        for job in ACCOUNT.jobs(NOW)
        for name in OUTCOMES
        for operation in job[name]
    }

    assert not [number for number in numbers if not fictional.fullmatch(number)]


def test_a_phone_number_keeps_its_id() -> None:
    """Over all jobs, number and id stand for each other one to one."""
    pairs = {
        (operation["id"], operation["phone_number"])
        for job in ACCOUNT.jobs(NOW)
        for name in OUTCOMES
        for operation in job[name]
    }

    assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs)


@pytest.mark.parametrize("instant", INSTANTS[:6], ids=str)
def test_no_number_is_answered_twice_and_none_is_lost_while_open(instant: datetime) -> None:
    """Each number asked for has one operation while the job is open, afterwards at most one."""
    for job in ACCOUNT.jobs(instant):
        operations = Counter(
            (key, operation[key])
            for outcome in OUTCOMES
            for operation in job[outcome]
            for key in ("id", "phone_number")
        )
        answers = {operations[item] for asked in job["phone_numbers"] for item in asked.items()}

        assert answers <= ({1} if _is_open(job) else {0, 1})
        assert _is_open(job) or job["pending_operations"] == []


def test_finished_jobs_leave_some_numbers_unanswered() -> None:
    """An expired job and a completed one each have a number that no operation answers."""
    silent = {
        job["status"]
        for job in ACCOUNT.jobs(NOW)
        if any(_answers(job, asked) == 0 for asked in job["phone_numbers"])
    }

    assert silent >= {"completed", "expired"}


def test_a_job_only_moves_forward() -> None:
    """From hour to hour statuses advance, settled operations stay, `updated_at` never falls."""
    order = ["pending", "in_progress", "completed", "failed", "expired"]
    earlier: dict[str, Json] = {}
    for hour in range(100):
        jobs = {job["id"]: job for job in ACCOUNT.jobs(NOW + timedelta(hours=hour))}
        for job_id in jobs.keys() & earlier.keys():
            before, after = earlier[job_id], jobs[job_id]
            assert order.index(before["status"]) <= order.index(after["status"])
            assert before["updated_at"] <= after["updated_at"]
            for outcome in ("successful_operations", "failed_operations"):
                assert after[outcome][: len(before[outcome])] == before[outcome]
        earlier = jobs


def test_finished_jobs_never_change() -> None:
    """A job once finished is the same a month later, seen by another account object."""
    later = {job["id"]: job for job in Account().jobs(NOW + timedelta(days=30))}
    finished = [job for job in ACCOUNT.jobs(NOW) if not _is_open(job) and job["id"] in later]

    assert finished == [later[job["id"]] for job in finished]
    assert {job["status"] for job in finished} == {"completed", "failed", "expired"}


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_half_a_minute_changes_what_is_open(instant: datetime) -> None:
    """At any instant three to six jobs are open, and two of them are other half a minute later."""
    jobs = ACCOUNT.jobs(instant)
    later = {job["id"]: job for job in ACCOUNT.jobs(instant + timedelta(seconds=30))}
    still_open = [job for job in jobs if _is_open(job)]

    assert 3 <= len(still_open) <= 6
    assert sum(job != later[job["id"]] for job in still_open) >= 2


def test_numbers_settle_one_after_another() -> None:
    """A campaign's pending operations fall to none, a few at a time, each into an outcome."""
    job_id = next(job["id"] for job in ACCOUNT.jobs(NOW) if job["status"] == "pending")
    pending: list[int] = []
    for hour in range(100):
        jobs = ACCOUNT.jobs(NOW + timedelta(hours=hour))
        (job,) = [job for job in jobs if job["id"] == job_id]
        pending.append(len(job["pending_operations"]))
    steps = [before - after for before, after in pairwise(pending)]

    assert pending[0] == len(job["phone_numbers"])
    assert pending[-1] == 0
    assert min(steps) >= 0
    assert max(steps) <= pending[0] / 40


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_some_failure_is_new_in_the_last_week(instant: datetime) -> None:
    """A pair of code and pointer is seen in jobs of the last seven days, and in none before."""
    jobs = ACCOUNT.jobs(instant)
    week_ago = (instant - timedelta(days=7)).isoformat()
    recent: set[tuple[str | None, str]] = set()
    before: set[tuple[str | None, str]] = set()
    for job, error in _faults(jobs):
        pair = error.get("code"), re.sub("[0-9]+", "*", error.get("source", {}).get("pointer", ""))
        (recent if job["updated_at"] > week_ago else before).add(pair)

    assert recent - before


def test_failures_come_in_every_shape_that_a_reader_must_bear() -> None:
    """Errors lack their code, source or page, come by twos or not at all, and name array places."""
    jobs = ACCOUNT.jobs(NOW)
    errors = [error for _, error in _faults(jobs)]
    failed = [operation for job in jobs for operation in job["failed_operations"]]
    pointers = {error.get("source", {}).get("pointer", "") for error in errors}

    assert {name for name in ("code", "source", "meta") for e in errors if name not in e} == {
        "code",
        "source",
        "meta",
    }
    assert {len(operation["errors"]) for operation in failed} == {0, 1, 2}
    assert any(error.get("source", {}).keys() == {"parameter"} for error in errors)
    assert any(re.fullmatch("/phone_numbers/[0-9]+/tags", pointer) for pointer in pointers)


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_failure_rates_look_real(instant: datetime) -> None:
    """Three to six in a hundred fail, many jobs without any, some wholly, some numbers always."""
    jobs = ACCOUNT.jobs(instant)
    failed = [len(job["failed_operations"]) for job in jobs]
    settled = [
        len(job["successful_operations"]) + number for job, number in zip(jobs, failed, strict=True)
    ]
    by_number = Counter(op["phone_number"] for job in jobs for op in job["failed_operations"])

    assert 0.03 <= sum(failed) / sum(settled) <= 0.06
    assert failed.count(0) > 50
    assert any(lost > 0.9 * total > 18 for lost, total in zip(failed, settled, strict=True))
    assert by_number.most_common(5)[-1][1] >= 5


def test_some_parameters_hold_a_port_out_pin() -> None:
    """A secret that a connector must drop is there to be dropped."""
    pins = {job["parameters"].get("external_pin") for job in ACCOUNT.jobs(NOW)} - {None}

    assert pins
    assert not [pin for pin in pins if not re.fullmatch("[0-9]{6}", pin)]


# the answers


@pytest.mark.parametrize("size", [1, 7, 100, 250])
def test_pages_partition_the_list(client: httpx.Client, size: int) -> None:
    """Pages of any size, one after another, are the list, and the page after them is empty."""
    jobs = ACCOUNT.jobs(NOW)
    page_count = -(-len(jobs) // size)
    pages = [
        client.get(
            "/phone_numbers/jobs", params={"page[size]": size, "page[number]": number}
        ).json()
        for number in range(1, page_count + 2)
    ]

    assert [page["data"] for page in pages] == [
        jobs[first : first + size] for first in range(0, page_count * size + 1, size)
    ]
    assert {page["meta"]["total_pages"] for page in pages} == {page_count}
    assert {page["meta"]["total_results"] for page in pages} == {len(jobs)}


def test_an_unpaged_list_is_its_first_twenty(client: httpx.Client) -> None:
    """Without any parameter the newest 20 jobs come, and meta counts all."""
    jobs = ACCOUNT.jobs(NOW)

    assert client.get("/phone_numbers/jobs").json() == {
        "data": jobs[:20],
        "meta": {
            "total_pages": 15,
            "total_results": len(jobs),
            "page_number": 1,
            "page_size": 20,
        },
    }


def test_an_empty_account_has_no_page() -> None:
    """No jobs give an empty list of no pages."""
    with serve(list) as api, _client(api) as client:
        body = client.get("/phone_numbers/jobs").json()

    assert body == {
        "data": [],
        "meta": {"total_pages": 0, "total_results": 0, "page_number": 1, "page_size": 20},
    }


def test_sorting_by_creation_is_oldest_first(client: httpx.Client) -> None:
    """`sort=created_at` turns the list around."""
    body = client.get("/phone_numbers/jobs", params={"sort": "created_at"}).json()

    assert body["data"] == ACCOUNT.jobs(NOW)[:-21:-1]


@pytest.mark.parametrize(
    ("filters", "types", "statuses"),
    [
        pytest.param(
            {"filter[type]": "delete_phone_numbers"},
            {"delete_phone_numbers"},
            {"completed", "failed", "expired"},
            id="type",
        ),
        pytest.param(
            {"filter[status][]": ["expired", "failed"]},
            {"delete_phone_numbers", "update_emergency_settings", "update_phone_numbers"},
            {"expired", "failed"},
            id="two statuses",
        ),
        pytest.param(
            {"filter[status][]": "expired", "filter[type]": "update_phone_numbers"},
            {"update_phone_numbers"},
            {"expired"},
            id="both",
        ),
    ],
)
def test_filters_choose(
    client: httpx.Client, filters: Any, types: set[str], statuses: set[str]
) -> None:
    """Filters are joined by and, the values of one filter by or."""
    body = client.get("/phone_numbers/jobs", params={**filters, "page[size]": 250}).json()

    assert body["data"] == [
        job for job in ACCOUNT.jobs(NOW) if job["type"] in types and job["status"] in statuses
    ]
    assert body["data"]


def test_brackets_may_be_encoded_or_not(api: FakeApi) -> None:
    """A query name means the same with its brackets percent-encoded."""
    plain = _raw(api, f"{JOBS}?page[size]=3&page[number]=2")
    encoded = _raw(api, f"{JOBS}?page%5Bsize%5D=3&page%5Bnumber%5D=2")

    assert plain == encoded
    assert [job["id"] for job in plain["data"]] == [job["id"] for job in ACCOUNT.jobs(NOW)[3:6]]


def _raw(api: FakeApi, target: str) -> Json:
    """The body for a target sent as it is, which httpx would encode."""
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc)
    connection.request("GET", target, headers={"Authorization": f"Bearer {api.key}"})
    body: Json = json.loads(connection.getresponse().read())
    connection.close()
    return body


def test_a_job_retrieved_is_the_job_listed(client: httpx.Client) -> None:
    """The retrieve endpoint gives the list's item under `data`."""
    for job in (ACCOUNT.jobs(NOW)[0], ACCOUNT.jobs(NOW)[-1]):
        assert client.get(f"/phone_numbers/jobs/{job['id']}").json() == {"data": job}


PAGING = (
    "The provided 'page' parameter is invalid. It must be an object with 'size' and/or 'number' "
    "with numeric values."
)
SORTING = "The value provided for sorting is not valid. Check the value used and try again."
STATUS_VALUES = "The value must be one of pending, in_progress, completed, failed, expired."


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
    """No key or a wrong one is a 401, also where there is nothing."""
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
    """Any other method is a 405, and its body is not taken for the next request."""
    answer = client.request(method, "/phone_numbers/jobs", content=b"GET / HTTP/1.1\r\n\r\n")

    assert answer.status_code == 405
    assert [error["code"] for error in answer.json()["errors"]] == ["10030"]
    assert client.get("/phone_numbers/jobs").status_code == 200


def test_too_many_requests_are_told_to_wait() -> None:
    """Beyond the budget of a second comes a 429 that says when to come again."""
    with serve(list, requests_per_second=2) as api, _client(api) as client:
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


@pytest.mark.parametrize("path", ["/phone_numbers/jobs", "/phone_numbers/jobs?sort=x", "/nothing"])
def test_every_answer_tells_its_limits_and_its_id(client: httpx.Client, path: str) -> None:
    """Each answer carries the rate limit, and a request id of its own."""
    one, other = client.get(path), client.get(path)

    for name in ("limit", "remaining", "reset"):
        assert one.headers[f"x-ratelimit-{name}"].isdecimal()
    assert one.headers["x-request-id"] != other.headers["x-request-id"]
    assert one.headers["Content-Type"] == "application/json; charset=utf-8"


def test_large_bodies_are_compressed_for_who_accepts_it(api: FakeApi) -> None:
    """A gzip body decompresses to the plain one; a small body stays plain."""
    key = {"Authorization": f"Bearer {api.key}"}
    large, small = f"{api.url}/phone_numbers/jobs", f"{api.url}/nothing"
    with httpx.Client(headers={**key, "Accept-Encoding": "identity"}, trust_env=False) as client:
        plain = client.get(large)
        with client.stream("GET", large, headers={"Accept-Encoding": "gzip, br"}) as packed:
            content = b"".join(packed.iter_raw())
        short = client.get(small, headers={"Accept-Encoding": "gzip"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(content) == plain.content
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in short.headers


def test_requests_are_remembered_in_order() -> None:
    """Each request is recorded with its method and its decoded target, refused ones too."""
    with serve(list) as api, _client(api) as client:
        client.get("/phone_numbers/jobs", params={"page[number]": 1, "page[size]": 250})
        client.delete("/phone_numbers/jobs/7")
        httpx.get(api.url, trust_env=False)

    assert api.requests == [
        ("GET", f"{JOBS}?page[number]=1&page[size]=250"),
        ("DELETE", f"{JOBS}/7"),
        ("GET", "/v2"),
    ]


def test_a_stopped_server_answers_no_more() -> None:
    """After the `with` block new connections are refused, and those kept alive are cut."""
    with serve(list) as api:
        kept_alive = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=5)
        kept_alive.request("GET", "/")
        kept_alive.getresponse().read()

    assert kept_alive.sock.recv(1) == b""
    kept_alive.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(api.url, trust_env=False)


def test_serving_forever_ends_at_a_signal() -> None:
    """The blocking server answers once it says so, and ends without complaint when told to."""
    program = (
        "from telnyx_jobs.fake_api import serve_forever;"
        "serve_forever(list, ready=lambda api: print(api.url, flush=True))"
    )
    with _python(program) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = httpx.get(f"{url}/phone_numbers/jobs", trust_env=False)
        process.send_signal(signal.SIGTERM)

        assert answer.status_code == 401
        assert process.wait(timeout=10) == 0


@SCHEMA.parametrize()
@settings(max_examples=40, derandomize=True, deadline=None, database=None)
def test_answers_keep_to_the_specification(case: schemathesis.Case[Any], api: FakeApi) -> None:
    """Whatever is asked, the answer has a status, a type and a body that the specification has."""
    case.call_and_validate(
        base_url=api.url,
        headers={"Authorization": f"Bearer {api.key}"},
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )


def test_every_job_is_of_the_specified_schema(client: httpx.Client) -> None:
    """All pages and one job, as served, validate against the specification."""
    pages = [{"page[size]": 250, "page[number]": number} for number in (1, 2)]
    listed = SCHEMA["/phone_numbers/jobs"]["GET"]
    for page in pages:
        listed.validate_response(client.get("/phone_numbers/jobs", params=page))
    retrieved = SCHEMA["/phone_numbers/jobs/{id}"]["GET"]
    retrieved.validate_response(client.get(f"/phone_numbers/jobs/{ACCOUNT.jobs(NOW)[3]['id']}"))


def test_the_demo_api_stands_alone() -> None:
    """No module of it imports another part of the package, which it is there to test."""
    folder = Path(telnyx_jobs.fake_api.__file__).parent
    imported = {
        node.module or ""
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
    }

    assert {name for name in imported if name.startswith("telnyx_jobs")} == {
        f"telnyx_jobs.fake_api.{name}" for name in ("answers", "failures", "history", "server")
    }
