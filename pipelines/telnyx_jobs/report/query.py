"""A user's SQL on what is published: read-only, and ended at once by a signal."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TextIO

from telnyx_jobs.destinations.base import Destination, Reader, published
from telnyx_jobs.report.rows import write

_STOP_SECONDS = 2.0


def query(destination: Destination, sql: str, form: str, out: TextIO, width: int | None) -> None:
    """Print what the SQL, or the view or table of this name, gives; see `rows.write`.

    Raises WrongQuery and BadConfiguration. A signal ends it at once.
    """
    with published(destination) as reader:
        _interruptible(reader, lambda: write(reader.answer(sql), form, out, width))


def _interruptible(reader: Reader, work: Callable[[], None]) -> None:
    """Do the work in a thread: a database itself may not notice a signal for long."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            work()
            done.set_result(None)
        except BaseException as error:
            done.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        done.result()
    finally:
        if not done.done():
            reader.interrupt()
            thread.join(_STOP_SECONDS)
