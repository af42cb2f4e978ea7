"""The demo API: how it answers over HTTP."""

import ast
import gzip
import http.client
import json
import signal
from collections.abc import Iterator
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

import telnyx_jobs.demo_api
from support.demo_account import ACCOUNT, JOBS, NOW, SCHEMA, client_of, python_process
from telnyx_jobs.demo_api import FakeApi, serve

Json = dict[str, Any]


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


# the answers


@pytest.mark.parametrize("size", [1, 7, 100, 250])
def test_pages_partition_the_list(client: httpx.Client, size: int) -> None:
    """Pages of any size together are the list, and the page after them is empty."""
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
    """Without parameters the answer has the newest 20 jobs, and meta counts all."""
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
    """An account without jobs gives an empty list with 0 pages."""
    with serve(list) as api, client_of(api) as client:
        body = client.get("/phone_numbers/jobs").json()

    assert body == {
        "data": [],
        "meta": {"total_pages": 0, "total_results": 0, "page_number": 1, "page_size": 20},
    }


def test_sorting_by_creation_is_oldest_first(client: httpx.Client) -> None:
    """`sort=created_at` reverses the list."""
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
    """The body for a target sent unencoded; httpx would encode it."""
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc)
    connection.request("GET", target, headers={"Authorization": f"Bearer {api.key}"})
    body: Json = json.loads(connection.getresponse().read())
    connection.close()
    return body


def test_a_job_retrieved_is_the_job_listed(client: httpx.Client) -> None:
    """The retrieve endpoint gives the list's item under `data`."""
    for job in (ACCOUNT.jobs(NOW)[0], ACCOUNT.jobs(NOW)[-1]):
        assert client.get(f"/phone_numbers/jobs/{job['id']}").json() == {"data": job}


@pytest.mark.parametrize("path", ["/phone_numbers/jobs", "/phone_numbers/jobs?sort=x", "/nothing"])
def test_every_answer_tells_its_limits_and_its_id(client: httpx.Client, path: str) -> None:
    """Each answer carries the rate limit and its own request id."""
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
    with serve(list) as api, client_of(api) as client:
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
    """The blocking server answers once it reports so, and ends without an error on a signal."""
    program = (
        "from telnyx_jobs.demo_api import serve_forever;"
        "serve_forever(list, ready=lambda api: print(api.url, flush=True))"
    )
    with python_process(program) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = httpx.get(f"{url}/phone_numbers/jobs", trust_env=False)
        process.send_signal(signal.SIGTERM)

        assert answer.status_code == 401
        assert process.wait(timeout=10) == 0


@SCHEMA.parametrize()
@settings(max_examples=40, derandomize=True, deadline=None, database=None)
def test_answers_keep_to_the_specification(case: schemathesis.Case[Any], api: FakeApi) -> None:
    """Every answer has a status, a type and a body that the specification allows."""
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
    """No module of it imports another part of the package, which it tests."""
    folder = Path(telnyx_jobs.demo_api.__file__).parent
    imported = {
        node.module or ""
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
    }

    assert {name for name in imported if name.startswith("telnyx_jobs")} == {
        f"telnyx_jobs.demo_api.{path.stem}"
        for path in folder.glob("*.py")
        if path.stem != "__init__"
    }
