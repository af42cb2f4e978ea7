"""dlt's log, without expected entries and errors that are raised anyway."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_log(*texts: str, with_exceptions: bool = True) -> Iterator[None]:
    """Keeps records that contain one of these texts out of dlt's log.

    `with_exceptions` is whether records that carry an exception are logged.
    """

    def is_logged(record: logging.LogRecord) -> bool:
        if record.exc_info and not with_exceptions:
            return False
        return not any(text in record.getMessage() for text in texts)

    log = logging.getLogger("dlt")
    log.addFilter(is_logged)
    try:
        yield
    finally:
        log.removeFilter(is_logged)
