"""How a command ends: signals, the line that tells a failure, who else is told, the exit code."""

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

from telnyx_jobs import __version__
from telnyx_jobs.cli.notify import Notifier
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

INTERRUPTED = 130
STOP_SECONDS = 3.0
"""How long a run that is told to stop may take to close what it has open."""


class _Outcome(NamedTuple):
    """The exit code, and what failed where that is still to be told."""

    code: int
    failure: str | None = None


def run_and_exit(app: typer.Typer) -> NoReturn:
    """Run the command of `sys.argv`, and exit with a code of the contract.

    The command finds the notifier of its run in the `obj` of its context, and tells it the
    addresses once it has read its options.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    is_debug = len(arguments) < len(sys.argv) - 1
    notifier = Notifier()

    def stopped(number: int, _: object) -> NoReturn:
        raise _stop(signal.Signals(number), notifier)

    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGINT, stopped)
    outcome = _run(app, arguments, notifier, is_debug)
    outcome = _lost_output() or outcome
    # a signal ends only the waiting: what became of the run stands
    with suppress(Stopped):
        notifier.ended(*outcome)
        for warning in notifier.wait():
            tell("warning", "warning", warning)
    if outcome.failure:
        _tell_failure(outcome)
    with suppress(OSError):
        sys.stderr.flush()
    # everything is closed by now; an orderly exit would wait for threads that a signal has left
    # at work, and let DuckDB's binding print the references it finds in a broken-off run
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
        # without arguments the help is all there is to say
        message = wrong.format_message().rstrip(".")
        return _Outcome(_usage_code(wrong), message and f"{message}.{_help_hint(wrong)}")
    except Stopped as stop:
        return _Outcome(stop.exit_code, str(stop))
    except SystemExit:
        # from typer or rich, when who reads the output has gone away: no failure
        return _Outcome(0)
    except Exception as error:
        if is_debug:
            traceback.print_exc()
        if isinstance(error, TelnyxJobsError):
            return _Outcome(error.exit_code, str(error))
        reason = f"{type(error).__name__} in telnyx-jobs {__version__}"
        return _Outcome(Bug.exit_code, f"{reason}: please report it, with what --debug shows")


def _stop(number: signal.Signals, notifier: Notifier) -> Stopped:
    """The exception that ends the run; in a few seconds the process ends in any case."""
    code = INTERRUPTED if number == signal.SIGINT else TryAgainLater.exit_code
    message = f"stopped by {number.name}: the published file is whole, run again to go on"
    notifier.ended(code, message, is_stopped=True)

    def end() -> None:
        _tell_failure(_Outcome(code, message))
        os._exit(code)

    # neither a load at work in another thread nor code that swallows errors can hold this up; what
    # is left behind then the next run removes
    ending = threading.Timer(STOP_SECONDS, end)
    ending.daemon = True
    ending.start()
    # what is broken off now has nothing more to tell
    logging.disable()
    return Stopped(message, code)


def _lost_output() -> _Outcome | None:
    """Write out what is printed; gives the failure where it is lost."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # who reads it has gone away, as `head` does once it has seen enough
        return None
    except OSError as error:
        reason = f"the output cannot be written ({error.strerror}): free disk space"
        return _Outcome(CannotWrite.exit_code, reason)
    return None


def _tell_failure(outcome: _Outcome) -> None:
    """The failure in one line on stderr."""
    tell("failed", "error", outcome.failure or "", exit_code=outcome.code)


def tell(event: str, level: str, message: str, **fields: object) -> None:
    """One line on stderr."""
    message = " ".join(message.split())
    if sys.stderr.isatty():
        print(f"telnyx-jobs: {message}", file=sys.stderr)
    else:
        json_line(event, level, message=message, **fields)


def _usage_code(wrong: Any) -> int:
    """2 for a wrong argument, 78 when the value came from the environment or a file."""
    context, parameter = getattr(wrong, "ctx", None), getattr(wrong, "param", None)
    if context and parameter:
        source = context.get_parameter_source(parameter.name)
        if source and source.name in ("ENVIRONMENT", "DEFAULT_MAP"):
            return BadConfiguration.exit_code
    return int(wrong.exit_code)


def _help_hint(wrong: Any) -> str:
    context = getattr(wrong, "ctx", None)
    return f" See {context.command_path} --help." if context else ""
