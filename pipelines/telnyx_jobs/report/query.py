"""A user's SQL on what is published: read-only, and ended at once by a signal."""

from concurrent.futures import wait
from typing import TextIO

from telnyx_jobs.destinations.base import Destination, published
from telnyx_jobs.report.rows import write
from telnyx_jobs.threads import in_thread

_STOP_SECONDS = 2.0


def query(destination: Destination, sql: str, form: str, out: TextIO, width: int | None) -> None:
    """Print what the SQL, or the view or table of this name, gives; see `rows.write`.

    Raises WrongQuery and BadConfiguration. A signal ends it at once.
    """
    with published(destination) as reader:
        # in a thread: a database itself may not notice a signal for long
        done = in_thread(lambda: write(reader.answer(sql), form, out, width))
        try:
            done.result()
        finally:
            if not done.done():
                reader.interrupt()
                wait([done], _STOP_SECONDS)
