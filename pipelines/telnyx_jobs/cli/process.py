"""How a command ends: signals, the line that reports a failure, notifications, the exit code."""

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

import typer

from telnyx_jobs.cli.notify import Notifier
from telnyx_jobs.cli.parsing import KEPT_SOURCES, source_of
from telnyx_jobs.cli.progress import json_line
from telnyx_jobs.errors import (
    BadConfiguration,
    Bug,
    CannotWrite,
    Stopped,
    TelnyxJobsError,
    TryAgainLater,
    stops_kept,
)
from telnyx_jobs.text import unbroken
from telnyx_jobs.version import __version__

INTERRUPTED = 130
_PUBLISHING = {"sync", "forget", "prune"}
"""Commands that publish; the others only read."""
STOP_SECONDS = 3.0
"""How long a stopped run may take to close what is open."""


class _Outcome(NamedTuple):
    """The exit code, and the failure if it is not reported yet."""

    code: int
    failure: str | None = None


def run_and_exit(app: typer.Typer) -> NoReturn:
    """Run the command of `sys.argv`, and exit with a code of the contract.

    The command finds the notifier of its run in the `obj` of its context, and gives it the
    addresses once it has read its options.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    is_debug = len(arguments) < len(sys.argv) - 1
    notifier = Notifier()

    def stopped(number: int, _: object) -> NoReturn:
        raise _stop(
            signal.Signals(number), notifier, publishes=_PUBLISHING.issuperset(arguments[:1])
        )

    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGINT, stopped)
    outcome = _run(app, arguments, notifier, is_debug)
    outcome = _lost_output() or outcome
    # a signal ends only the waiting: the outcome of the run stays
    with suppress(Stopped):
        notifier.ended(*outcome)
        for warning in notifier.wait():
            print_line("warning", "warning", warning)
    if outcome.failure:
        _print_failure(outcome)
    with suppress(OSError):
        sys.stderr.flush()
    # everything is closed by now; a normal exit would wait for threads that still run after a
    # signal, and DuckDB's binding would print the references that a stopped run leaves
    os._exit(outcome.code)


def _run(
    app: typer.Typer, arguments: Sequence[str], notifier: Notifier, is_debug: bool
) -> _Outcome:
    try:
        with stops_kept():
            return _Outcome(
                app(arguments, prog_name=app.info.name, standalone_mode=False, obj=notifier) or 0
            )
    except typer.Exit as ended:
        return _Outcome(ended.exit_code)
    except typer.TyperException as wrong:
        # without arguments the help is the whole answer
        message = wrong.format_message().rstrip(".")
        end = "" if message.endswith("?") else "."
        return _Outcome(_usage_code(wrong), message and f"{message}{end}{_help_hint(wrong)}")
    except Stopped as stop:
        return _Outcome(stop.exit_code, str(stop))
    except SystemExit:
        # from typer or rich, if the reader of the output closed it: not a failure
        return _Outcome(0)
    except Exception as error:
        if is_debug:
            traceback.print_exc()
        if isinstance(error, TelnyxJobsError):
            return _Outcome(error.exit_code, str(error))
        reason = f"{type(error).__name__} in telnyx-jobs {__version__}"
        return _Outcome(Bug.exit_code, f"{reason}: please report it, with what --debug shows")


def _stop(number: signal.Signals, notifier: Notifier, *, publishes: bool) -> Stopped:
    """The exception that ends the run; in a few seconds the process ends in any case."""
    code = INTERRUPTED if number == signal.SIGINT else TryAgainLater.exit_code
    message = f"stopped by {number.name}"
    if publishes:
        message += ": the published file is whole, run again to continue"
    notifier.ended(code, message, is_stopped=True)

    def end() -> None:
        _print_failure(_Outcome(code, message))
        os._exit(code)

    # neither a load in another thread nor code that swallows errors can delay this; the next run
    # deletes what is left
    ending = threading.Timer(STOP_SECONDS, end)
    ending.daemon = True
    ending.start()
    # what stops now has nothing more to report
    logging.disable()
    return Stopped(message, code)


def _lost_output() -> _Outcome | None:
    """Flush stdout; returns the failure if output is lost."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader closed it, as `head` does after some lines
        return None
    except OSError as error:
        reason = f"the output cannot be written ({error.strerror}): free disk space"
        return _Outcome(CannotWrite.exit_code, reason)
    return None


def _print_failure(outcome: _Outcome) -> None:
    """The failure in one line on stderr."""
    print_line("failed", "error", outcome.failure or "", exit_code=outcome.code)


def print_line(event: str, level: str, message: str, **fields: object) -> None:
    """One line on stderr."""
    message = unbroken(message)
    if sys.stderr.isatty():
        print(f"telnyx-jobs: {message}", file=sys.stderr)
    else:
        json_line(event, level, message=message, **fields)


def _usage_code(wrong: Any) -> int:
    """2 for a wrong argument, 78 if the value came from the environment or a file."""
    is_kept = source_of(wrong) in KEPT_SOURCES
    return BadConfiguration.exit_code if is_kept else int(wrong.exit_code)


def _help_hint(wrong: Any) -> str:
    context = getattr(wrong, "ctx", None)
    return f" See {context.command_path} --help." if context else ""
