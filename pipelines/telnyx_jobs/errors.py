"""What can go wrong, one class per exit code.

TelnyxJobsError
├── UnreadableAnswer   65  the API's answer cannot be understood at all
├── ApiUnavailable     69  the API cannot be reached, or fails after all retries
├── Bug                70  a fault in this program
├── CannotWrite        74  disk full, no permission
├── TryAgainLater      75  another run holds the lock, or a budget is spent
├── KeyRefused         77  no key, or the API refuses it
└── BadConfiguration   78  a setting or a file that cannot be used

A message is one line, says what failed and then what to do, and never holds the key.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class TelnyxJobsError(Exception):
    """Base of every failure that a user reads about."""

    exit_code: ClassVar[int] = 70


class UnreadableAnswer(TelnyxJobsError):
    exit_code = 65


class ApiUnavailable(TelnyxJobsError):
    exit_code = 69


class Bug(TelnyxJobsError):
    exit_code = 70


class CannotWrite(TelnyxJobsError):
    exit_code = 74


class TryAgainLater(TelnyxJobsError):
    exit_code = 75


class KeyRefused(TelnyxJobsError):
    exit_code = 77


class BadConfiguration(TelnyxJobsError):
    exit_code = 78


class Stopped(BaseException):
    """A signal that ends the run. Not an Exception: no `except Exception` may catch it."""

    latest: ClassVar["Stopped | None"] = None

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        Stopped.latest = self


@contextmanager
def stops_kept() -> Iterator[None]:
    """Raises Stopped unchanged: DuckDB turns one that ends a query into a RuntimeError."""
    try:
        yield
    except Exception:
        if Stopped.latest is not None:
            raise Stopped.latest from None
        raise


def causes_of(error: BaseException) -> list[BaseException]:
    """The error and what led to it, the innermost last."""
    causes: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in causes:
        causes.append(each)
        each = each.__cause__ or each.__context__
    return causes
