"""The command line: arguments, printing and exit codes.

Commands import what they need when they run, so that `--help` is there at once.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NoReturn

import typer

from telnyx_jobs import __version__
from telnyx_jobs.cli.output import checked, exported_to, print_table, standing, synced
from telnyx_jobs.cli.process import run_and_exit
from telnyx_jobs.cli.startup import import_without_extras, make_lean
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.settings import (
    DEFAULT_BASE_URL,
    DEFAULT_DATABASE,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    DESTINATIONS,
    DUCKDB,
    ENV_PREFIX,
    MAX_PAGE_SIZE,
    Scope,
    Settings,
    configured,
    find_key,
)

if TYPE_CHECKING:
    from telnyx_jobs.cli.notify import Notifier
    from telnyx_jobs.progress import Report

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
    run_and_exit(app)


def _show_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


def _known_destination(name: str) -> str:
    if name not in DESTINATIONS:
        raise typer.BadParameter(f"'{name}' is none of {', '.join(DESTINATIONS)}")
    return name


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
        ("sync", "check", "status", "verify", "report", "export", "fake-api"), settings
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
    context: typer.Context,
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
    destination: Annotated[
        str,
        typer.Option(
            help=f"Where to load: {', '.join(DESTINATIONS)}.",
            metavar="NAME",
            callback=_known_destination,
        ),
    ] = DUCKDB,
    mask_phone_numbers: Annotated[
        bool,
        typer.Option("--mask-phone-numbers", help="Keep keyed hashes in place of phone numbers."),
    ] = False,
    webhook: Annotated[
        str | None,
        typer.Option(help="Tell failures, and ones never seen before, to this.", metavar="URL"),
    ] = None,
    ping: Annotated[
        str | None,
        typer.Option(help="Tell each beginning and end to this heartbeat.", metavar="URL"),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring the published DuckDB file, or a warehouse, up to date with the API."""
    scope = Scope(
        full=full,
        since=since and since.replace(tzinfo=since.tzinfo or UTC),
        job_ids=tuple(job_id or ()),
        job_types=tuple(job_type or ()),
        is_demo=demo,
    )
    make_lean()
    if destination == DUCKDB:
        # a warehouse's driver may need them
        import_without_extras()
    from telnyx_jobs.run.sync import new_summary, place_of
    from telnyx_jobs.run.sync import sync as run_sync

    summary = new_summary(scope.mode, database, destination)
    before = database if destination == DUCKDB else place_of(database, destination).runs
    # it knows webhook and ping already
    notifier: Notifier = context.obj
    notifier.follow(summary, is_first=not before.exists())
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
            destination=destination,
        )
        if dry_run:
            told, as_json = _planned(settings, report)
        else:
            run_sync(settings, summary, report, notifier.started)
            told, as_json = synced(summary), summary.as_json()
    print(dumps(as_json) if json else told)


@app.command(context_settings=_FROM_ENVIRONMENT)
def check(
    demo: Demo = False,
    database: Database = Path(DEFAULT_DATABASE),
    base_url: BaseUrl = DEFAULT_BASE_URL,
    max_retries: MaxRetries = 1,
    timeout: Timeout = 10.0,
    json: Json = False,
) -> None:
    """Look at key, API, clock, folder, disk, file, lock and versions; writes nothing."""
    from telnyx_jobs.checks.preflight import check as run_check
    from telnyx_jobs.checks.preflight import first_failure, versions
    from telnyx_jobs.progress import nothing

    given = nullcontext(_Access(base_url, ""))
    with _access(True, base_url, nothing) if demo else given as access:
        found = run_check(database.absolute(), *access, max_retries=max_retries, timeout=timeout)
    code = first_failure(found)
    if json:
        told = {"exit_code": code, "checks": [each.as_json() for each in found]}
        print(dumps(told | {"versions": versions()}))
    else:
        print(checked(found))
    if code:
        raise typer.Exit(code)


@app.command(context_settings=_FROM_ENVIRONMENT)
def status(
    database: Database = Path(DEFAULT_DATABASE),
    max_age: Annotated[
        str | None,
        typer.Option(help="Exit 1 when the file is older, such as 90s, 30m, 2h or 1d."),
    ] = None,
    json: Json = False,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Print metrics in Prometheus' text format.")
    ] = False,
) -> None:
    """Tell the last run, how fresh the file is, and what is still open."""
    from telnyx_jobs.checks.status import read_status

    if json and prometheus:
        raise typer.BadParameter("--json and --prometheus exclude each other")
    limit = _seconds(max_age) if max_age else None
    found = read_status(database.absolute())
    if prometheus:
        from telnyx_jobs.checks.metrics import metrics

        print(metrics(found), end="")
    else:
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
    from telnyx_jobs.checks.verify import verify as run_verify
    from telnyx_jobs.run.sync import mask_of, new_run_id, open_client

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
        str,
        typer.Option(
            help="The folder to write, or s3://bucket/prefix; an export there is replaced.",
            metavar="DIR",
        ),
    ],
    database: Database = Path(DEFAULT_DATABASE),
    format_: Annotated[
        Literal["parquet", "delta"] | None,
        typer.Option(
            "--format",
            help="Parquet files, or Delta Lake tables of which only changed months are written.",
            show_default="parquet to a folder, delta to a bucket",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the published file out for other engines, with the views as Spark SQL."""
    from telnyx_jobs.export.formats import Export
    from telnyx_jobs.run.sync import new_run_id

    try:
        asked = Export(to, format_)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None
    run_id = new_run_id(datetime.now(UTC))
    with _reporting(run_id, quiet) as report:
        exported = asked.write(database.absolute(), run_id, report)
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

    from telnyx_jobs.report.figures import read_report

    found = read_report(database.absolute(), datetime.now(UTC))
    if html is None:
        from telnyx_jobs.report.text import text_page

        print(text_page(found, Console(highlight=False)))
    else:
        try:
            from telnyx_jobs.report.html import write_html
        except ModuleNotFoundError as missing:
            raise BadConfiguration(
                f"--html needs {missing.name}, which is not installed: "
                "run pip install 'telnyx-jobs[report]'"
            ) from None

        size = write_html(found, html)
        print(f"Wrote {html} ({size:,} bytes)")


@app.command("fake-api", context_settings=_FROM_ENVIRONMENT)
def fake_api(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="Which demo account to serve.")] = 0,
) -> None:
    """Serve the demo API on loopback until stopped."""
    from telnyx_jobs.demo_api import Account, FakeApi, serve_forever

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
    from telnyx_jobs.demo_api import Account, serve

    account = Account()
    with serve(lambda: account.jobs(datetime.now(UTC))) as api:
        report("demo", url=api.url)
        yield _Access(api.url, api.key)


def _reporting(run_id: str, quiet: bool) -> AbstractContextManager["Report"]:
    from telnyx_jobs.cli.progress import reporting

    return reporting(run_id, quiet=quiet)


def _planned(settings: Settings, report: "Report") -> tuple[str, dict[str, Any]]:
    """What a sync would ask for, for a person and as JSON."""
    from telnyx_jobs.run.dry_run import plan
    from telnyx_jobs.run.sync import open_client

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
