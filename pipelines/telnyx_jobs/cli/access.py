"""The settings of a command, and the API's address and key, as it was given them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from telnyx_jobs.progress import Report
from telnyx_jobs.settings import Settings, find_key

_NAMES = {field.name for field in fields(Settings)}


def settings_of(context: typer.Context, database: Path, **others: Any) -> Settings:
    """The settings: each option of the command that has a setting's name, and these others."""
    given = {name: value for name, value in context.params.items() if name in _NAMES}
    return Settings(**given | {"database": database} | others)


@contextmanager
def access_to(base_url: str, report: Report, *, demo: bool) -> Iterator[tuple[str, str]]:
    """Address and key of the API; with `demo` those of a demo API that runs meanwhile."""
    if not demo:
        yield base_url, find_key()
        return
    from telnyx_jobs.demo_api import Account, serve

    account = Account()
    with serve(lambda: account.jobs(datetime.now(UTC))) as api:
        report("demo", url=api.url)
        yield api.url, api.key
