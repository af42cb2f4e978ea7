"""The list by status: the request, and what happens if an API filters otherwise."""

import pytest

from support.client_trials import client_for, failure_of, ids_of
from support.faulty_api import FaultyApi, some_jobs
from support.filter_faults import WRONG_FILTERS
from telnyx_jobs.api.client import Client, WrongRequest
from telnyx_jobs.source.masking import Mask

OPEN = ("pending", "in_progress")
STATUSES = ("pending", "completed", "in_progress", "failed", "in_progress")
JOBS = [
    {**job, "status": status, "type": "update_phone_numbers" if status != "failed" else "other"}
    for job, status in zip(some_jobs(5), STATUSES, strict=True)
]
IDS = [job["id"] for job in JOBS]
OPEN_IDS = [IDS[0], IDS[2], IDS[4]]


def masking(url: str, key: str) -> Client:
    return Client(url, key, filters=[Mask(b"k" * 32)])


@pytest.mark.parametrize("kind", [Client, masking])
def test_statuses_are_repeated(kind: type[Client]) -> None:
    """Each status is a parameter, beside type and page, and the answer obeys all."""
    with FaultyApi(JOBS) as api, kind(api.url, api.key) as client:
        page = client.page(1, job_type="update_phone_numbers", statuses=OPEN)

    assert ids_of(page) == OPEN_IDS
    assert (page.total_pages, page.total_results) == (1, 3)
    assert api.requests[0].target.partition("?")[2] == (
        "page%5Bnumber%5D=1&page%5Bsize%5D=250&filter%5Btype%5D=update_phone_numbers"
        "&filter%5Bstatus%5D%5B%5D=pending&filter%5Bstatus%5D%5B%5D=in_progress"
    )


@pytest.mark.parametrize("name", ["refused with 422", "refused with 400"])
def test_a_refused_filter_is_a_wrong_request(name: str) -> None:
    """It is not retried, and the list without a filter is still read."""
    with FaultyApi(JOBS, otherwise=WRONG_FILTERS[name]) as api, client_for(api) as client:
        assert isinstance(failure_of(lambda: client.page(1, statuses=OPEN)), WrongRequest)
        assert ids_of(client.page(1)) == IDS[:2]

    assert len(api.requests) == 2


@pytest.mark.parametrize(
    ("name", "shown"),
    [("ignored", IDS), ("finished jobs", [IDS[1], IDS[3]]), ("an empty list", [])],
)
def test_a_wrong_answer_is_passed_on(name: str, shown: list[str]) -> None:
    """Jobs of other statuses, or none, are a page like any other: the caller looks at them."""
    with (
        FaultyApi(JOBS, otherwise=WRONG_FILTERS[name]) as api,
        client_for(api, page_size=250) as client,
    ):
        assert ids_of(client.page(1, statuses=OPEN)) == shown
        assert ids_of(client.page(1)) == IDS
