"""Processes of the command that begin with everything imported: imports are half of a short run.

Each is forked from a server process that has imported the command and done nothing else. It has its
own environment, folder and stderr, and signals end it like any other process. Only the start of the
interpreter is missing.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing import forkserver, reduction
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import IO, Any, NoReturn

import pytest

COMMAND = "from telnyx_jobs.cli import commands; commands.main()"


class PreparedProcess:
    """A running process, to be used as one of `subprocess` whose stderr is a pipe of text."""

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        *arguments: str,
        program: str = COMMAND,
    ) -> None:
        reader, writer = os.pipe()
        with os.fdopen(writer, "wb"), open(os.devnull, "wb") as nowhere:
            self._process = started(
                nowhere.fileno(), writer, folder, environ, arguments, program=program
            )
        self.stderr = os.fdopen(reader)
        self._said = ""

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self.returncode
        if code is None:
            raise subprocess.TimeoutExpired("a prepared process", timeout or 0.0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Nothing, and the rest of stderr, once the process has ended."""
        self.wait(timeout)
        if not self.stderr.closed:
            with self.stderr:
                self._said = self.stderr.read()
        return "", self._said

    def completed(self, timeout: float) -> "subprocess.CompletedProcess[str]":
        """What `subprocess.run` would give."""
        _, stderr = self.communicate(timeout)
        return subprocess.CompletedProcess([], self.wait(), "", stderr)

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, sent: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, sent)


def run_prepared(
    folder: Path,
    environ: Mapping[str, str],
    *arguments: str,
    timeout: float,
    program: str = COMMAND,
) -> "subprocess.CompletedProcess[str]":
    """What `subprocess.run` would give of the command or program, with its output as text."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = started(
            stdout.fileno(), stderr.fileno(), folder, environ, arguments, program=program
        )
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, timeout)
        shown = [_text_of(file) for file in (stdout, stderr)]
    return subprocess.CompletedProcess(arguments, process.exitcode, *shown)


def _text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def started(
    stdout: int,
    stderr: int,
    folder: Path,
    environ: Mapping[str, str],
    arguments: Sequence[str],
    *,
    program: str = COMMAND,
) -> ForkServerProcess:
    """A running process, whose outputs go to these file descriptors."""
    handed = (_Handed(stdout), _Handed(stderr))
    process = _server().Process(
        target=_run, args=(*handed, folder, dict(environ), arguments, program)
    )
    process.start()
    return process


class _Handed:
    """A file descriptor to send to the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> Any:
        return _taken, (reduction.DupFd(self._descriptor),)


def _taken(handed: Any) -> Any:
    return handed.detach()


@cache
def _server() -> ForkServerContext:
    """The running server of these processes. It finds its modules where this process does."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.prepared_imports"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return context


def _run(
    stdout: int,
    stderr: int,
    folder: Path,
    environ: dict[str, str],
    arguments: Sequence[str],
    program: str,
) -> NoReturn:
    """Be the process: `python -c program arguments`, without stdin."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    # searched again, in this environment
    tempfile.tempdir = None
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    sys.argv = ["-c", *arguments]
    exec(compile(program, "-c", "exec"), {"__name__": "__main__"})
    sys.exit()
