"""What a sync needs from its destination."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from telnyx_jobs.destinations.answer import Rows
from telnyx_jobs.destinations.place import Place
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.schema import REMOVALS, Table
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.removals import NOTHING_REMOVED, Removals, kept_removals

T = TypeVar("T")

CLOCK_SECONDS = 60.0
"""How far two clocks may be apart before it is a fault."""


class NotLookedAt(Exception):
    """A check that another problem prevents; the message names it."""


def synced_at(finished_at: datetime | None) -> str:
    """When the newest sync ended, in words. Raises BadConfiguration for a time in the future."""
    if finished_at is None:
        return "holds no sync"
    synced = f"synced {finished_at:%Y-%m-%d %H:%M} UTC"
    if (finished_at - datetime.now(UTC)).total_seconds() > CLOCK_SECONDS:
        raise BadConfiguration(
            f"{synced}, which is in the future, so a clock was wrong: set the clock, or move the "
            "data and the state folder away and let a sync load everything again"
        )
    return synced


class Reader(Protocol):
    """What is published now, for readers."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query in the plain SQL that all destinations share, times in UTC."""

    def failed_tests(self) -> dict[str, list[tuple[Any, ...]]]:
        """Wrong rows, five at most, of each data test that finds any."""

    def has_view(self, name: str) -> bool:
        """Whether the view exists: an earlier version may have published without it."""

    def has_table(self, table: Table) -> bool:
        """Whether the raw table exists with each of its columns, as of this version."""

    def answer(self, sql: str) -> Rows:
        """Rows of a user's query, which may only read; a view's name returns its rows.

        Nothing else can be asked afterwards. Raises WrongQuery.
        """

    def interrupt(self) -> None:
        """Stop the query that another thread waits for."""


class Destination(Protocol):
    """The destination of one sync. `open` to `publish` may be repeated, once for each package."""

    place: Place
    """The local folder of the run."""
    name: str
    """What the summary calls it: the path of the file, or the warehouse and its dataset."""

    def prepare(self) -> None:
        """Create the state folder. Raises BadConfiguration for an unusable name."""

    def open(self) -> None:
        """Prepare for the next package: what is published, ready to be changed."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query on what `open` has prepared and `load` has changed."""

    def has_view(self, name: str) -> bool:
        """Whether the view exists there: `finish` creates all of this version."""

    def loaded(self) -> Loaded:
        """What is loaded already."""

    def load(self, source: Any) -> None:
        """Load one package of the dlt source. Raises the error that made dlt fail."""

    def finish(self) -> None:
        """Create the views and test the data. Raises Bug if a data test finds rows."""

    def publish(self, run: Mapping[str, Any]) -> None:
        """Publish everything at once, with the run as a row of `sync_runs`."""

    def remove(self, change: Callable[[], T]) -> T:
        """Publish what is published with this change, so that nothing of what it deletes is kept.

        `change` uses `query`, also to write; it ends before anything is published, and its result
        is returned. Raises Bug if a data test finds rows.
        """

    def discard(self) -> None:
        """Delete what is not published."""

    def reading(self) -> "AbstractContextManager[Reader | None]":
        """What is published now; None before the first sync. Raises TelnyxJobsError."""

    def look(self) -> str:
        """What is published, in a few words.

        Raises TelnyxJobsError if a sync cannot continue from it, and NotLookedAt.
        """

    def errors(self) -> AbstractContextManager[None]:
        """Raises the destination's errors as TelnyxJobsError."""


def known_removals(reader: Reader) -> Removals:
    """What was removed from what is published, which an earlier version may have done."""
    return kept_removals(reader.query) if reader.has_table(REMOVALS) else NOTHING_REMOVED


@contextmanager
def published(destination: Destination) -> Iterator[Reader]:
    """What is published. Raises BadConfiguration before the first sync."""
    with destination.reading() as reader:
        if reader is None:
            raise BadConfiguration(
                f"no sync has published {destination.name} yet: run telnyx-jobs sync first"
            )
        yield reader
