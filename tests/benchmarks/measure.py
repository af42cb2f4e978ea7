"""A server of jobs in its own process, and what a whole process tree costs."""

import os
import platform
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
_POLL_SECONDS = 0.02
_PAGE_BYTES = resource.getpagesize()
_MIB = 1024 * 1024


class Failed(Exception):
    """A process ended with another exit code than 0."""


@dataclass(frozen=True)
class Cost:
    """One run of a process with all its children."""

    wall_seconds: float
    cpu_seconds: float
    tree_mib: float
    """Most resident memory of all its processes together, seen every 20 ms."""
    largest_mib: float
    """Most resident memory of any one process, as the kernel counts it."""


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Cost:
    """Run a command to its end. Its output goes to `log`. Raises Failed."""
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        tree = _Peak(process.pid)
        # usage of the process and of the children that it has waited for
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        tree_bytes = tree.stop()
    if process.returncode:
        raise Failed(f"{command[:3]} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    largest = usage.ru_maxrss / (_MIB if sys.platform == "darwin" else 1024)
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, max(tree_bytes / _MIB, largest), largest)


class _Peak:
    """Watches the resident memory of a process and its descendants, where there is /proc."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._bytes

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            self._bytes = max(self._bytes, sum(map(_resident, _descendants(self._pid))))


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    try:
        threads = [*Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        # the process has ended
        return
    for thread in threads:
        try:
            pids = (thread / "children").read_text().split()
        except OSError:
            # the thread has ended
            continue
        for child in pids:
            yield from _descendants(int(child))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


@contextmanager
def served(jobs: int, numbers: int, *, open_jobs: int = 0) -> Iterator[str]:
    """The base URL of a server of these jobs."""
    command = [sys.executable, str(HERE / "server.py"), str(jobs), str(numbers)]
    command += ["--open", str(open_jobs)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()


def finish_jobs(base_url: str) -> None:
    """Let the server's open jobs end."""
    with urlopen(Request(base_url.removesuffix("/v2") + "/finish", method="POST", data=b"")):
        pass


def sync_command(base_url: str, database: Path) -> list[str]:
    arguments = ["sync", "--json", "--quiet", "--base-url", base_url, "--database", str(database)]
    return [sys.executable, "-m", "telnyx_jobs", *arguments]


def environment(home: Path) -> dict[str, str]:
    """The environment of every contestant: its own home and a key."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    return kept | {"HOME": str(home), "TMPDIR": str(home), "TELNYX_API_KEY": "KEYbench"}


def machine() -> str:
    """Date, processor, cores, memory and Python, for the head of a table."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores, "
        f"{memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
