"""What the client sends, to whom, and how it reads a good answer."""

import json
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.answer_faults import whole
from support.client_trials import IDS, JOBS, KEY, LIST, client_for, ids_of, page_of
from support.faulty_api import FaultyApi
from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Page, Record

pytestmark = pytest.mark.usefixtures("short_waits")


# what goes over the wire


def test_pages_are_the_jobs_in_order() -> None:
    """Page numbers count from 1, and the pages together are the list, with its totals."""
    with FaultyApi(JOBS) as api, client_for(api) as client:
        pages = [client.page(number) for number in (1, 2, 3)]

    assert [ids_of(page) for page in pages] == [IDS[:2], IDS[2:4], IDS[4:]]
    assert {(page.total_pages, page.total_results) for page in pages} == {(3, 5)}


def test_page_request() -> None:
    """A page is requested by its number and size, and nothing else."""
    with FaultyApi(JOBS) as api:
        page_of(api, 3, page_size=250)

    (request,) = api.requests
    assert (request.method, request.target.partition("?")[0]) == ("GET", LIST)
    assert request.query == {"page[number]": "3", "page[size]": "250"}


def test_filter_request() -> None:
    """A job type becomes the type filter, and the answer has only that type."""
    with FaultyApi(JOBS) as api, client_for(api, page_size=4) as client:
        page = client.page(1, job_type="delete_phone_numbers")

    (request,) = api.requests
    assert request.query == {
        "page[number]": "1",
        "page[size]": "4",
        "filter[type]": "delete_phone_numbers",
    }
    assert ids_of(page) == [IDS[1], IDS[3]]


def test_request_headers() -> None:
    """The key is sent as bearer token, JSON is requested, and the client sends its name."""
    with FaultyApi(JOBS) as api:
        page_of(api)

    (request,) = api.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"].startswith("telnyx-jobs/")


def test_retrieve() -> None:
    """A job requested by its id is the same as in the list."""
    with FaultyApi(JOBS) as api, client_for(api) as client:
        job = client.job(IDS[3])
        listed = client.page(2).records[1]

    assert isinstance(job, Record)
    assert isinstance(listed, Record)
    assert job.job_id == IDS[3]
    assert job.content_hash() == listed.content_hash()
    assert api.requests[0].target == f"{LIST}/{IDS[3]}"


def test_id_with_delimiters() -> None:
    """The delimiters in an id are sent percent-encoded."""
    with FaultyApi(JOBS) as api, client_for(api) as client:
        assert client.job("a/b?c#d e") is None

    assert api.requests[0].target == f"{LIST}/a%2Fb%3Fc%23d%20e"


def test_any_id_is_one_path_segment() -> None:
    """Whatever an id holds, it is sent as one path segment that decodes to the id again."""
    with FaultyApi(JOBS) as api, client_for(api) as client:

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
    with FaultyApi(JOBS) as api, client_for(api) as client:
        for _ in range(20):
            assert [ids_of(client.page(n)) for n in (1, 3)] == [IDS[:2], IDS[4:]]

    assert len({request.port for request in api.requests}) == 1


def test_empty_account() -> None:
    """A list without pages is one empty page, requested once."""
    with FaultyApi([]) as api:
        page = page_of(api)

    assert page == Page([], 0, 0)
    assert len(api.requests) == 1


@pytest.mark.parametrize("meta", [{"total_pages": 1, "total_results": 0}, {"total_pages": 1}])
def test_empty_account_of_one_page(meta: dict[str, int]) -> None:
    """An account without jobs may be announced as one page, which is empty."""
    body = json.dumps({"data": [], "meta": meta}).encode()
    with FaultyApi([], {0: whole(200, body)}) as api:
        page = page_of(api)

    assert page.records == []
    assert len(api.requests) == 1


def test_page_beyond_the_last() -> None:
    """A page beyond the announced last one is empty, which is correct."""
    with FaultyApi(JOBS) as api:
        page = page_of(api, 4)

    assert page == Page([], 3, 5)
    assert len(api.requests) == 1


# the base URL


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_slash_at_the_end(end: str) -> None:
    """A slash at the end of the base URL changes nothing on the wire."""
    with FaultyApi(JOBS) as api, Client(api.url + end, KEY) as client:
        client.page(1)

    assert api.requests[0].target.startswith(f"{LIST}?")
