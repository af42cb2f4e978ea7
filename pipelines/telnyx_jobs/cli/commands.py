"""The console script, and the commands it has.

Commands import what they need when they run, so that `--help` answers at once.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer

from telnyx_jobs.cli import options
from telnyx_jobs.cli.checks import check, status, verify
from telnyx_jobs.cli.examples import examples
from telnyx_jobs.cli.parsing import ConfiguredCommand, unknown_settings
from telnyx_jobs.cli.process import print_line, run_and_exit
from telnyx_jobs.cli.remove import forget, prune
from telnyx_jobs.cli.results import export, query, report, worklist
from telnyx_jobs.cli.startup import prepare_process
from telnyx_jobs.cli.sync import sync
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.settings import ENV_PREFIX
from telnyx_jobs.version import __version__

app = typer.Typer(
    name="telnyx-jobs",
    help="Telnyx phone-number jobs, exact in a DuckDB file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main() -> NoReturn:
    """The console script: runs a command and exits with a code of the contract."""
    prepare_process()
    run_and_exit(app)


def _show_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; before or after the command.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    group: Any = context.command
    for warning in unknown_settings(group.commands):
        print_line("warning", "warning", warning)


def fake_api(port: options.Port = 0, seed: options.Seed = 0) -> None:
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


COMMANDS = (
    *(sync, check, status, verify, report, query, worklist, export),
    *(forget, prune, examples, fake_api),
)
for command in COMMANDS:
    # each option can also be given as TELNYX_JOBS_<OPTION>
    app.command(cls=ConfiguredCommand, context_settings={"auto_envvar_prefix": ENV_PREFIX})(command)
