"""Reading jobs one by one, by their ids."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Record, Rejected
from telnyx_jobs.api.rate_limit import RequestBudgetSpent

AT_ONCE = 4
BATCH = AT_ONCE * 4

Answers = list[tuple[str, Record | Rejected | None]]
"""Each job's id and what the API says of it; None when it does not know the job."""
Retrieve = Callable[[Client, Sequence[str]], Iterator[Answers]]


def retrieve(client: Client, job_ids: Sequence[str]) -> Iterator[Answers]:
    """The answers, a few at a time.

    Raises RequestBudgetSpent after the answers that were read until then.
    """
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for first in range(0, len(job_ids), BATCH):
            asked = job_ids[first : first + BATCH]
            answers: Answers = []
            stopped: RequestBudgetSpent | None = None
            for job_id, answer in [(i, pool.submit(client.job, i)) for i in asked]:
                try:
                    answers.append((job_id, answer.result()))
                except RequestBudgetSpent as spent:
                    stopped = spent
            yield answers
            if stopped:
                raise stopped
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
