"""The paths of a database: its lock, its build and the other files of a run."""

import os
import pwd
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from telnyx_jobs.errors import BadConfiguration, CannotWrite, TelnyxJobsError, TryAgainLater


class Place:
    """The path of a database, and its state folder. A warehouse has a name instead of a file."""

    def __init__(self, database: Path, creates_folder: bool = False) -> None:
        self.database = database
        self.creates_folder = creates_folder
        """Whether the folder of the database is created if only it is missing."""
        self.state = database.parent / f".{database.name}.state"
        self.pages = self.state / "spool"
        """List pages that are read but not published; the name is that of the first version."""
        self.lock = self.state / "lock"
        self.runs = self.state / "runs.jsonl"
        self.mask_key = self.state / "mask.key"
        self.forget_key = self.state / "forget.key"
        self.exports = self.state / "exports.json"
        self.leftovers = self.state / "work"
        """What runs create and no later one needs: the next run deletes what a killed one left."""
        self.work = self.leftovers / secrets.token_hex(4)
        """Named at random, so that no other run can take it for its own."""
        self.build = self.work / database.name
        self.foreign_wal = self.state / f"foreign-{database.name}.wal"
        """The new place of a WAL that somebody else left beside the published file."""

    def make(self) -> None:
        """Create the state folder, private also when it existed before.

        Raises BadConfiguration for a folder that does not exist, and CannotWrite for a state folder
        of another user.
        """
        self.check_folder()
        self.database.parent.mkdir(exist_ok=True)
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.check_owner()
        self.state.chmod(0o700)

    def check_folder(self) -> None:
        """Raises BadConfiguration for a folder that does not exist and is not created."""
        folder = self.database.parent
        if folder.exists() or (self.creates_folder and folder.parent.exists()):
            return
        raise BadConfiguration(
            f"the folder {folder} does not exist: create it, or give another --database"
        )

    def check_owner(self) -> None:
        """Raises CannotWrite when the state folder is another user's, whose mode is not ours."""
        owner = self.state.stat().st_uid
        if os.geteuid() not in (0, owner):
            raise CannotWrite(
                f"{self.state} belongs to the user {_user(owner)}: run as that user, or give "
                "another --database"
            )

    def begin_work(self) -> None:
        """Create an empty folder for this run, and delete what others left."""
        shutil.rmtree(self.leftovers, ignore_errors=True)
        self.leftovers.mkdir(mode=0o700)
        self.work.mkdir(mode=0o700)

    def end_work(self) -> None:
        """Delete the folder of this run."""
        shutil.rmtree(self.work, ignore_errors=True)
        # another run works there if somebody has removed the lock
        with suppress(OSError):
            self.leftovers.rmdir()

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
        held = self.lock.stat().st_ino
        # dlt and others create temporary files here: /tmp may be read-only
        before, tempfile.tempdir = tempfile.tempdir, str(self.work)
        try:
            yield
        except Exception as error:
            if isinstance(error, TelnyxJobsError) or self._is_locked_by(held):
                raise
            raise CannotWrite(
                f"{self.state} was removed or replaced while this sync ran: what is published is "
                "whole; run again, and let nothing but a sync change that folder"
            ) from error
        finally:
            tempfile.tempdir = before
            lock.release()

    def _is_locked_by(self, inode: int) -> bool:
        try:
            return self.lock.stat().st_ino == inode
        except OSError:
            return False


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
