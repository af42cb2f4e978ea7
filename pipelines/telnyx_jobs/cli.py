"""The command line: arguments, printing and exit codes.

Commands import what they need when they run, so that `--help` is there at once.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn

import typer

from telnyx_jobs import __version__
from telnyx_jobs.console import exported_to, print_table, standing, synced
from telnyx_jobs.errors import (
    BadConfiguration,
    Bug,
    CannotWrite,
    Stopped,
    TelnyxJobsError,
    TryAgainLater,
    stops_kept,
)
from telnyx_jobs.settings import (
    DEFAULT_BASE_URL,
    DEFAULT_DATABASE,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    ENV_PREFIX,
    MAX_PAGE_SIZE,
    Scope,
    Settings,
    configured,
    find_key,
)

if TYPE_CHECKING:
    from telnyx_jobs.progress import Report

INTERRUPTED = 130
STOP_SECONDS = 3.0
"""How long a run that is told to stop may take to close what it has open."""

app = typer.Typer(
    name="telnyx-jobs",
    help="Telnyx phone-number jobs, exact in a DuckDB file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_FROM_ENVIRONMENT = {"auto_envvar_prefix": ENV_PREFIX}
"""Makes each option of a command readable from TELNYX_JOBS_<OPTION>."""


def main() -> NoReturn:
    """The console script: runs a command and exits with a code of the contract."""
    os.umask(0o077)
    signal.signal(signal.SIGTERM, _stopped)
    signal.signal(signal.SIGINT, _stopped)
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        with stops_kept():
            code = app(arguments, standalone_mode=False) or 0
    except typer.Exit as ended:
        code = ended.exit_code
    except typer.TyperException as wrong:
        code = _usage_code(wrong)
        # without arguments the help is all there is to say
        if wrong.format_message():
            _fail(f"{wrong.format_message().rstrip('.')}.{_help_hint(wrong)}", code)
    except Stopped as stopped:
        code = _fail(str(stopped), stopped.exit_code)
    except SystemExit:
        # from typer or rich, when who reads the output has gone away: no failure
        code = 0
    except TelnyxJobsError as error:
        if debug:
            raise
        code = _fail(str(error), error.exit_code)
    except Exception as error:
        if debug:
            raise
        reason = f"{type(error).__name__} in telnyx-jobs {__version__}"
        code = _fail(f"{reason}: please report it, with what --debug shows", Bug.exit_code)
    # everything is closed by now; an orderly exit would wait for threads that a signal has left
    # at work, and let DuckDB's binding print the references it finds in a broken-off run
    os._exit(_handed_over(code))


def _handed_over(code: int) -> int:
    """Write out what is printed; gives the exit code, that of CannotWrite where it is lost."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # who reads it has gone away, as `head` does once it has seen enough
        pass
    except OSError as error:
        reason = f"the output cannot be written ({error.strerror}): free disk space"
        code = _fail(reason, CannotWrite.exit_code)
    with suppress(OSError):
        sys.stderr.flush()
    return code


def _show_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    # a setting in the file holds for each command that has the option
    settings = configured()
    context.default_map = dict.fromkeys(
        ("sync", "status", "verify", "report", "export", "fake-api"), settings
    )


Database = Annotated[Path, typer.Option(help="The DuckDB file to publish.", dir_okay=False)]
BaseUrl = Annotated[
    str,
    typer.Option(help="Address of the API.", envvar=["TELNYX_BASE_URL", "TELNYX_JOBS_BASE_URL"]),
]
Demo = Annotated[bool, typer.Option("--demo", help="Use the demo API on loopback; needs no key.")]
MaxRetries = Annotated[int, typer.Option(help="Further attempts per request.", min=0)]
Timeout = Annotated[float, typer.Option(help="Seconds for one request, all of it.", min=0.001)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]


@app.command(context_settings=_FROM_ENVIRONMENT)
def sync(
    demo: Demo = False,
    database: Database = Path(DEFAULT_DATABASE),
    base_url: BaseUrl = DEFAULT_BASE_URL,
    full: Annotated[
        bool, typer.Option("--full", help="Sweep every page, not only new ones.")
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            help="Fill the first file no further back than this date (UTC).",
            metavar="DATE",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S"],
        ),
    ] = None,
    job_id: Annotated[
        list[str] | None, typer.Option(help="Exactly this job; may be repeated.")
    ] = None,
    job_type: Annotated[
        list[str] | None, typer.Option(help="Only jobs of this type; may be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be requested.")
    ] = False,
    page_size: Annotated[
        int, typer.Option(help="Jobs per list page.", min=1, max=MAX_PAGE_SIZE)
    ] = MAX_PAGE_SIZE,
    max_requests: Annotated[
        int | None, typer.Option(help="Requests this run may send.", min=1)
    ] = None,
    max_retries: MaxRetries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait while another sync works.", min=0)
    ] = 0.0,
    mask_phone_numbers: Annotated[
        bool,
        typer.Option("--mask-phone-numbers", help="Keep keyed hashes in place of phone numbers."),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring the published DuckDB file up to date with the API."""
    scope = Scope(
        full=full,
        since=since and since.replace(tzinfo=since.tzinfo or UTC),
        job_ids=tuple(job_id or ()),
        job_types=tuple(job_type or ()),
        is_demo=demo,
    )
    from telnyx_jobs.sync import new_summary
    from telnyx_jobs.sync import sync as run_sync

    summary = new_summary(scope.mode, database)
    with _reporting(summary.run_id, quiet) as report, _access(demo, base_url, report) as access:
        settings = Settings(
            database=database.absolute(),
            base_url=access.base_url,
            api_key=access.key,
            scope=scope,
            page_size=page_size,
            max_requests=max_requests,
            max_retries=max_retries,
            timeout=timeout,
            mask_phone_numbers=mask_phone_numbers,
            wait=wait,
        )
        if dry_run:
            told, as_json = _planned(settings, report)
        else:
            run_sync(settings, summary, report)
            told, as_json = synced(summary), summary.as_json()
    print(dumps(as_json) if json else told)


@app.command(context_settings=_FROM_ENVIRONMENT)
def status(
    database: Database = Path(DEFAULT_DATABASE),
    max_age: Annotated[
        str | None,
        typer.Option(help="Exit 1 when the file is older, such as 90s, 30m, 2h or 1d."),
    ] = None,
    json: Json = False,
) -> None:
    """Tell the last run, how fresh the file is, and what is still open."""
    from telnyx_jobs.status import read_status

    limit = _seconds(max_age) if max_age else None
    found = read_status(database.absolute())
    print(dumps(found.as_json()) if json else standing(found))
    if found.published_at is None or (limit is not None and found.is_older_than(limit)):
        raise typer.Exit(1)


@app.command(context_settings=_FROM_ENVIRONMENT)
def verify(
    demo: Demo = False,
    database: Database = Path(DEFAULT_DATABASE),
    base_url: BaseUrl = DEFAULT_BASE_URL,
    max_retries: MaxRetries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Test the published file's data, and compare it with the API: totals and a sample of jobs."""
    from telnyx_jobs.sync import mask_of, new_run_id, open_client
    from telnyx_jobs.verify import verify as run_verify

    run_id = new_run_id(datetime.now(UTC))
    with _reporting(run_id, quiet) as report, _access(demo, base_url, report) as access:
        settings = Settings(
            database=database.absolute(),
            base_url=access.base_url,
            api_key=access.key,
            scope=Scope(is_demo=demo),
            # the total is all that is wanted of a list page
            page_size=1,
            max_retries=max_retries,
            timeout=timeout,
        )
        mask = mask_of(settings.database)
        with open_client(settings, report, mask) as client:
            differences = run_verify(settings, client, report)
    if json:
        print(dumps([difference._asdict() for difference in differences]))
    elif differences:
        print_table(differences[0]._fields, differences)
    else:
        print(f"{database} agrees with the API")
    if differences:
        raise typer.Exit(1)


@app.command(context_settings=_FROM_ENVIRONMENT)
def export(
    to: Annotated[
        str, typer.Option(help="The folder to write; an export there is replaced.", metavar="DIR")
    ],
    database: Database = Path(DEFAULT_DATABASE),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the published file out: the tables as Parquet, the views as Spark SQL."""
    from telnyx_jobs.export import export as run_export
    from telnyx_jobs.sync import new_run_id

    if "://" in to:
        raise typer.BadParameter(f"'{to}' is no folder: export to one, and copy it from there")
    run_id = new_run_id(datetime.now(UTC))
    with _reporting(run_id, quiet) as report:
        exported = run_export(database.absolute(), Path(to), run_id, report)
    print(dumps(exported.as_json() | {"folder": to}) if json else exported_to(exported, to))


@app.command("report", context_settings=_FROM_ENVIRONMENT)
def tell_report(
    database: Database = Path(DEFAULT_DATABASE),
    html: Annotated[
        Path | None,
        typer.Option(help="Write a page with charts to this file.", metavar="FILE", dir_okay=False),
    ] = None,
) -> None:
    """Tell what fails, how often and since when, and which numbers still fail."""
    from rich.console import Console

    from telnyx_jobs.report import read_report, text_page

    found = read_report(database.absolute(), datetime.now(UTC))
    if html is None:
        print(text_page(found, Console(highlight=False)))
    else:
        from telnyx_jobs.report_html import write_html

        size = write_html(found, html)
        print(f"Wrote {html} ({size:,} bytes)")


@app.command("fake-api", context_settings=_FROM_ENVIRONMENT)
def fake_api(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="Which demo account to serve.")] = 0,
) -> None:
    """Serve the demo API on loopback until stopped."""
    from telnyx_jobs.fake_api import Account, FakeApi, serve_forever

    account = Account(seed)

    def ready(api: FakeApi) -> None:
        print(f"TELNYX_BASE_URL={api.url}\nTELNYX_API_KEY={api.key}", flush=True)

    try:
        serve_forever(lambda: account.jobs(datetime.now(UTC)), ready=ready, port=port)
    except OSError as error:
        raise BadConfiguration(
            f"port {port} cannot be used ({error.strerror}): give another"
        ) from None


class _Access(NamedTuple):
    base_url: str
    key: str


@contextmanager
def _access(demo: bool, base_url: str, report: "Report") -> Iterator[_Access]:
    """Address and key of the API; of a demo API that is served meanwhile, where asked for."""
    if not demo:
        yield _Access(base_url, find_key())
        return
    from telnyx_jobs.fake_api import Account, serve

    account = Account()
    with serve(lambda: account.jobs(datetime.now(UTC))) as api:
        report("demo", url=api.url)
        yield _Access(api.url, api.key)


def _reporting(run_id: str, quiet: bool) -> AbstractContextManager["Report"]:
    from telnyx_jobs.progress import reporting

    return reporting(run_id, quiet=quiet)


def _planned(settings: Settings, report: "Report") -> tuple[str, dict[str, Any]]:
    """What a sync would ask for, for a person and as JSON."""
    from telnyx_jobs.plan import plan
    from telnyx_jobs.sync import open_client

    with open_client(settings, report) as client:
        planned = plan(settings, client)
    told = (
        f"A sync would ask for {planned.list_pages:,} list pages and {planned.retrieves:,} jobs "
        f"one by one: {planned.requests:,} requests. Nothing was written."
    )
    return told, planned.as_json()


def _seconds(text: str) -> float:
    """A time such as 90s, 30m, 2h or 1d in seconds."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number = text.removesuffix(text[-1:])
    if text[-1:] not in units or not number.isdecimal():
        raise typer.BadParameter(f"'{text}' is no time such as 90s, 30m, 2h or 1d")
    return float(number) * units[text[-1]]


def _fail(message: str, code: int) -> int:
    """Tell the failure in one line on stderr; gives the exit code."""
    from telnyx_jobs.progress import json_line

    message = " ".join(message.split())
    if sys.stderr.isatty():
        print(f"telnyx-jobs: {message}", file=sys.stderr)
    else:
        json_line("failed", "error", message=message, exit_code=code)
    return code


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


def _stopped(number: int, _: object) -> NoReturn:
    code = INTERRUPTED if number == signal.SIGINT else TryAgainLater.exit_code
    name = signal.Signals(number).name
    stop = Stopped(f"stopped by {name}: the published file is whole, run again to go on", code)
    # neither a load at work in another thread nor code that swallows errors can hold this up; what
    # is left behind then the next run removes
    ending = threading.Timer(STOP_SECONDS, lambda: os._exit(_fail(str(stop), code)))
    ending.daemon = True
    ending.start()
    # what is broken off now has nothing more to tell
    logging.disable()
    raise stop
