"""The API's address and key, as a command was given them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from telnyx_jobs.progress import Report
from telnyx_jobs.settings import find_key


class Access(NamedTuple):
    base_url: str
    key: str


@contextmanager
def access_to(base_url: str, report: Report, *, demo: bool) -> Iterator[Access]:
    """Address and key of the API; with `demo` those of a demo API that runs meanwhile."""
    if not demo:
        yield Access(base_url, find_key())
        return
    from telnyx_jobs.demo_api import Account, serve

    account = Account()
    with serve(lambda: account.jobs(datetime.now(UTC))) as api:
        report("demo", url=api.url)
        yield Access(api.url, api.key)
