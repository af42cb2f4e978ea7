"""Syncs of this process into the file or into a warehouse."""

from pathlib import Path
from typing import Any

from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.summary import Summary, new_summary
from telnyx_jobs.run.sync import sync
from telnyx_jobs.settings import Scope, Settings

CREDENTIALS = "DESTINATION__POSTGRES__CREDENTIALS"


def settings_for(api: Any, folder: Path, target: str, **options: Any) -> Settings:
    return Settings(
        database=folder / "jobs.duckdb",
        base_url=api.url,
        api_key=api.key,
        max_retries=0,
        timeout=10.0,
        audit_pages=0,
        destination=target,
        **{"scope": Scope(), **options},
    )


def sync_to(api: Any, folder: Path, target: str = "postgres", **options: Any) -> Summary:
    """One sync into the file, or into the warehouse of the environment."""
    settings = settings_for(api, folder, target, **options)
    destination = destination_for(settings)
    summary = new_summary(settings.scope.mode, destination.name)
    sync(settings, destination, summary, nothing)
    return summary
