"""Where a database lies: the lock, the build, and what else a run needs beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from telnyx_jobs.errors import TryAgainLater


@dataclass(frozen=True)
class Place:
    """The path of a database, and its state folder. A warehouse has a name instead of a file."""

    database: Path

    @property
    def state(self) -> Path:
        return self.database.parent / f".{self.database.name}.state"

    @property
    def pages(self) -> Path:
        """List pages that are read but not published; the name is that of the first version."""
        return self.state / "spool"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def runs(self) -> Path:
        return self.state / "runs.jsonl"

    @property
    def mask_key(self) -> Path:
        return self.state / "mask.key"

    @property
    def work(self) -> Path:
        """What a run creates and no later one needs: leftovers are deleted with this folder."""
        return self.state / "work"

    @property
    def build(self) -> Path:
        return self.work / self.database.name

    @property
    def foreign_wal(self) -> Path:
        """The new place of a WAL that somebody else left beside the published file."""
        return self.state / f"foreign-{self.database.name}.wal"

    def make(self) -> None:
        """Create the state folder, private also when it existed before."""
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.state.chmod(0o700)

    @contextmanager
    def locked(self, wait: float) -> Iterator[None]:
        """The lock, for the whole run. Waits `wait` seconds for it. Raises TryAgainLater."""
        lock = FileLock(self.lock, timeout=wait, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise TryAgainLater(
                f"another sync of {self.database} is running: run again when it has ended, "
                "or give --wait"
            ) from None
        try:
            yield
        finally:
            lock.release()
