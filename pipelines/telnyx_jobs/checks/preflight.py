"""What a sync needs, checked before anything is written. A check writes nothing itself.

One finding each on key, API, clock, folder, disk, file, account, lock and versions, whatever the
others are.
"""

import fcntl
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from platform import python_version
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from telnyx_jobs.api.client import checked_key
from telnyx_jobs.destinations.base import CLOCK_SECONDS, Destination, NotLookedAt, known_removals
from telnyx_jobs.destinations.place import Place
from telnyx_jobs.errors import (
    BadConfiguration,
    CannotWrite,
    KeyRefused,
    TelnyxJobsError,
    TryAgainLater,
)
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.sync import open_client
from telnyx_jobs.settings import Settings, find_key
from telnyx_jobs.source.account import AccountCheck, known_ids
from telnyx_jobs.source.loaded import NOTHING_LOADED, Loaded

DISTRIBUTION = "telnyx-jobs"
SMALLEST_FREE_BYTES = 100_000_000
"""Free disk that a sync of a small or a new file needs."""
_MISSING = "missing"
_NO_KEY = "none"
"""Sent without a key: the API's refusal shows that it answers."""


@dataclass(frozen=True)
class Finding:
    """What one check found: `message` says it, or what failed and what to do.

    `exit_code` is 0 if nothing is wrong, a code of the contract if something is, and None if that
    is unknown.
    """

    name: str
    message: str
    exit_code: int | None = 0

    @property
    def state(self) -> str:
        return {0: "ok", None: "unknown"}.get(self.exit_code, "failed")

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "state": self.state} | asdict(self)


def check(settings: Settings, destination: Destination) -> list[Finding]:
    """All findings. Without a key in the settings it is looked up.

    Sends one request to the API, and a few more if the newest job is not in the file.
    """
    answer = _ask(settings)
    place = destination.place
    file = _found("file", destination.look)
    return [
        _found("key", lambda: _key(answer)),
        _found("api", lambda: _api(answer, settings.base_url)),
        _found("clock", lambda: _clock(answer)),
        _found("folder", lambda: _folder(place)),
        _found("disk", lambda: _disk(place)),
        file,
        _found("account", lambda: _account(settings, answer, destination, file)),
        _found("lock", lambda: _lock(place)),
        _found("versions", _versions),
    ]


def first_failure(findings: list[Finding]) -> int:
    """The exit code of the first finding that failed; 0 if none did."""
    return next((finding.exit_code for finding in findings if finding.exit_code), 0)


def versions() -> dict[str, str]:
    """What is installed, by name: this package, Python, and each package required."""
    required = {requirement.name: _version(requirement.name) for requirement in _requirements()}
    return {DISTRIBUTION: _version(DISTRIBUTION), "Python": python_version()} | required


def _found(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, look())
    except NotLookedAt as error:
        return Finding(name, str(error), None)
    except TelnyxJobsError as error:
        return Finding(name, str(error), error.exit_code)
    except OSError as error:
        text = f"{error.filename} cannot be looked at ({error.strerror}): check the permissions"
        return Finding(name, text, CannotWrite.exit_code)


class _Answer(NamedTuple):
    """The result of the request."""

    key: str
    no_key: TelnyxJobsError | None
    failure: TelnyxJobsError | None
    total: int | None
    job_ids: list[str]
    clock_ahead_seconds: float | None

    @property
    def is_refused(self) -> bool:
        return isinstance(self.failure, KeyRefused)


def _ask(settings: Settings) -> _Answer:
    no_key = failure = total = ahead = None
    job_ids: list[str] = []
    try:
        key = checked_key(settings.api_key or find_key())
    except TelnyxJobsError as error:
        key, no_key = _NO_KEY, error
    try:
        with open_client(replace(settings, api_key=key, page_size=1), nothing) as client:
            try:
                page = client.page(1)
                total, job_ids = page.total_results, page.job_ids()
            finally:
                ahead = client.clock_ahead_seconds
    except TelnyxJobsError as error:
        failure = error
    return _Answer(key, no_key, failure, total, job_ids, ahead)


def _key(answer: _Answer) -> str:
    if answer.no_key:
        raise answer.no_key
    if answer.failure and answer.is_refused:
        raise answer.failure
    if answer.failure:
        raise NotLookedAt("found, but the API did not say whether it accepts it: see api below")
    return "found and accepted"


def _api(answer: _Answer, base_url: str) -> str:
    if answer.failure and not answer.is_refused:
        raise answer.failure
    jobs = "" if answer.total is None else f", {answer.total:,} jobs"
    return f"{base_url} answers{jobs}"


def _clock(answer: _Answer) -> str:
    ahead = answer.clock_ahead_seconds
    if ahead is None:
        raise NotLookedAt("the API sent no time to compare with")
    text = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the API's"
    if abs(ahead) > CLOCK_SECONDS:
        raise BadConfiguration(f"{text}: set this machine's clock")
    return text


def _folder(place: Place) -> str:
    place.check_folder()
    folder = place.database.parent
    nearest = _nearest(folder)
    for each in (nearest, place.state, place.lock):
        search = os.X_OK if each.is_dir() else 0
        if each.exists() and not os.access(each, os.R_OK | os.W_OK | search):
            raise CannotWrite(f"{each} cannot be written: check its permissions")
    if not nearest.is_dir() or (place.state.exists() and not place.state.is_dir()):
        raise CannotWrite(f"{nearest} is not a folder: move it away, or give another --database")
    # a sync sets the folder's mode, which only its owner may
    if place.state.exists():
        place.check_owner()
    can = "can be written" if nearest == folder else "can be created"
    return f"{folder} {can}, also for temporary files"


def _disk(place: Place) -> str:
    found = os.statvfs(_nearest(place.database.parent))
    free = found.f_bavail * found.f_frsize
    size = place.database.stat().st_size if place.database.exists() else 0
    needed = max(2 * size, SMALLEST_FREE_BYTES)
    text = f"{free / 1e6:,.0f} MB free, {needed / 1e6:,.0f} MB needed"
    if free < needed:
        raise CannotWrite(f"{text}: free disk space, or give another --database")
    return text


def _account(settings: Settings, answer: _Answer, destination: Destination, file: Finding) -> str:
    if file.exit_code != 0:
        raise NotLookedAt("the loaded jobs cannot be read")
    with destination.reading() as reader:
        loaded = NOTHING_LOADED
        if reader:
            loaded = Loaded(reader.query, removals=known_removals(reader))
        if not known_ids(loaded):
            return "no jobs are loaded yet"
        if answer.no_key or answer.failure:
            raise NotLookedAt("the API could not be asked for a loaded job")
        with open_client(replace(settings, api_key=answer.key), nothing) as client:
            AccountCheck(client, loaded).confirm(answer.job_ids)
    return "the key is of the account of the loaded jobs"


def _lock(place: Place) -> str:
    if place.lock.exists():
        with place.lock.open("rb") as lock:
            # shared and given back at once: a sync that begins in this very moment ends with 75
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TryAgainLater(
                    "a sync is running: another one can begin when it has ended"
                ) from None
    return "no sync is running"


def _versions() -> str:
    python = metadata.metadata(DISTRIBUTION)["Requires-Python"]
    wrong = [
        f"{requirement.name} {_version(requirement.name)}, not {requirement.specifier}"
        for requirement in _requirements()
        if not _is_met(requirement)
    ]
    if not SpecifierSet(python).contains(python_version(), prereleases=True):
        wrong.insert(0, f"Python {python_version()}, not {python}")
    if wrong:
        raise BadConfiguration(f"{'; '.join(wrong)}: install {DISTRIBUTION} again")
    found = versions()
    shown = (DISTRIBUTION, "Python", "dlt", "duckdb", "httpx", "pyarrow")
    return ", ".join(f"{name} {found[name]}" for name in shown)


def _requirements() -> list[Requirement]:
    """What the installed package declares, without extras."""
    try:
        declared = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        raise BadConfiguration(f"{DISTRIBUTION} is not installed: install it with pip") from None
    requirements = map(Requirement, declared)
    return [each for each in requirements if not each.marker or each.marker.evaluate({"extra": ""})]


def _is_met(requirement: Requirement) -> bool:
    found = _version(requirement.name)
    return found != _MISSING and requirement.specifier.contains(found, prereleases=True)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return _MISSING


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest existing one above it."""
    return folder if folder.exists() else _nearest(folder.parent)
