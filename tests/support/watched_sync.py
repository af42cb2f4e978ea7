"""A sync that is watched from the inside: whom it connects to, and what its files ever hold."""

import json
import os
import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from support.prepared_process import started

ROOT = Path(__file__).parents[2]
KEY = "KEY0199F3A7C0DE5EC2E7_zQ8vWx4TnJb6LkRm"
PARTS = {KEY[start : start + 8] for start in range(len(KEY) - 7)}
"""Eight consecutive letters of a key give away a good part of it."""

WATCHED = """
import json, os, socket, sys, threading, time

log = open(os.environ["WATCH_LOG"], "a", buffering=1)
for name in ("connect", "connect_ex"):
    def watched(self, address, *rest, real=getattr(socket.socket, name)):
        log.write(json.dumps(["connect", str(address)]) + "\\n")
        return real(self, address, *rest)
    setattr(socket.socket, name, watched)

def look_up(host, *rest, real=socket.getaddrinfo, **more):
    log.write(json.dumps(["look up", str(host)]) + "\\n")
    return real(host, *rest, **more)
socket.getaddrinfo = look_up

def scan():
    words = [word.encode() for word in json.loads(os.environ["WATCH_FOR"])]
    while True:
        for folder, _, names in os.walk(os.environ["WATCH_FOLDER"]):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    content = open(path, "rb").read()
                except OSError:
                    continue
                if any(word in content for word in words):
                    log.write(json.dumps(["found", path]) + "\\n")
                if "/dlt/" in path:
                    log.write(json.dumps(["scanned", "dlt"]) + "\\n")
        time.sleep(0.005)

threading.Thread(target=scan, daemon=True).start()
from telnyx_jobs.cli.commands import main
main()
"""
"""A sync that logs each peer, and each file that ever holds what it must not, while it runs."""


class Run:
    """One sync in its own process, in an empty folder and home, watched from the inside.

    `afresh` starts an interpreter, whose imports are watched too; a prepared process is quicker.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        *arguments: str,
        key: str = KEY,
        forbidden: set[str] = PARTS,
        afresh: bool = False,
    ) -> None:
        self.folder = folder / "work"
        self.home = folder / "home"
        self._log = folder / "watched.jsonl"
        self._outputs = folder / "stdout", folder / "stderr"
        for each in (self.folder, self.home):
            each.mkdir(exist_ok=True)
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT / "pipelines"),
            "TELNYX_BASE_URL": url,
            "TELNYX_API_KEY": key,
            "WATCH_LOG": str(self._log),
            "WATCH_FOLDER": str(self.folder),
            "WATCH_FOR": json.dumps(sorted(forbidden)),
        }
        given = ("sync", "--timeout", "20", *arguments)
        with self._outputs[0].open("wb") as stdout, self._outputs[1].open("wb") as stderr:
            self._process: subprocess.Popen[bytes] | ForkServerProcess
            if afresh:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", WATCHED, *given],
                    cwd=self.folder,
                    env=environ,
                    stdout=stdout,
                    stderr=stderr,
                )
            else:
                outputs = stdout.fileno(), stderr.fileno()
                self._process = started(*outputs, self.folder, environ, given, program=WATCHED)

    def kill(self) -> None:
        self._process.kill()

    def ended(self) -> int:
        """The exit code, once the run is over."""
        if isinstance(self._process, subprocess.Popen):
            code: int | None = self._process.wait(60)
        else:
            self._process.join(60)
            code = self._process.exitcode
        assert code is not None
        self.output, self.errors = (path.read_bytes() for path in self._outputs)
        return code

    def watched(self, kind: str) -> set[str]:
        """What was seen of this kind, from the start to the end."""
        lines = self._log.read_text().splitlines()
        return {what for each, what in map(json.loads, lines) if each == kind}

    def leaks(self, forbidden: set[str] = PARTS) -> list[str]:
        """Places that hold any of these: files during the run, files after it, and the outputs."""
        after = [
            str(path)
            for path in (*self.folder.rglob("*"), *self.home.rglob("*"))
            if path.is_file() and holds(path.read_bytes(), forbidden)
        ]
        said = [
            name
            for name, text in (("stdout", self.output), ("stderr", self.errors))
            if holds(text, forbidden)
        ]
        return sorted({*self.watched("found"), *after, *said})


def holds(content: bytes, forbidden: set[str]) -> bool:
    """Whether the content has any of these words."""
    return any(word.encode() in content for word in forbidden)
