"""Where each setting comes from: flag, then environment, then `.dlt/config.toml`, then default.

The command line reads flags and environment itself; this module reads the files and finds the key.
"""

import os
import re
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from telnyx_jobs.errors import BadConfiguration, KeyRefused
from telnyx_jobs.schema import RAW_SCHEMA, VIEW_SCHEMA

Mode = Literal["incremental", "full", "jobs"]

ENV_PREFIX = "TELNYX_JOBS"
CONFIG_FILE = Path(".dlt/config.toml")
CONFIG_SECTION = "telnyx_jobs"
DEFAULT_BASE_URL = "https://api.telnyx.com/v2"
MAX_PAGE_SIZE = 250
"""The API's own maximum."""
DUCKDB = "duckdb"
DESTINATIONS = (
    *(DUCKDB, "bigquery", "clickhouse", "databricks", "motherduck"),
    *("postgres", "redshift", "snowflake"),
)
"""Where a sync can load to: the published file, or a warehouse by dlt's name for it."""
LONGEST_SCHEMA = 55
"""Characters: PostgreSQL has room for 63, of which dlt takes 8 for `_staging`."""
_SCHEMA_NAME = re.compile(r"(?!pg_)[a-z][a-z0-9]*(_[a-z0-9]+)*(?<!_staging)")
"""What dlt and every warehouse take as it is; `…_staging` is where dlt stages another dataset."""
_SECRET_NAME = "sources.telnyx.api_key"


@dataclass(frozen=True)
class Scope:
    """What a sync covers. Empty `job_ids` or `job_types` means all; `since` is in UTC."""

    full: bool = False
    since: datetime | None = None
    job_ids: tuple[str, ...] = ()
    job_types: tuple[str, ...] = ()
    is_demo: bool = False
    same_account: bool = False
    """Whether the key is accepted although the API may return none of the loaded jobs."""

    @property
    def lists(self) -> tuple[str | None, ...]:
        """The lists to read, each by its job type; None is the list of all jobs."""
        return self.job_types or (None,)

    @property
    def mode(self) -> Mode:
        if self.job_ids:
            return "jobs"
        return "full" if self.full else "incremental"


@dataclass(frozen=True)
class Settings:
    """The settings of a sync."""

    database: Path = Path("telnyx_jobs.duckdb")
    base_url: str = DEFAULT_BASE_URL
    api_key: str = ""
    scope: Scope = Scope()
    page_size: int = MAX_PAGE_SIZE
    audit_pages: int = 1
    """Pages of the history to read again in each sync."""
    max_requests: int | None = None
    max_retries: int = 8
    timeout: float = 60.0
    """Seconds for one request and all of its answer."""
    mask_phone_numbers: bool = False
    wait: float = 0.0
    destination: str = DUCKDB
    dataset: str = RAW_SCHEMA
    """Schema of the raw tables in a warehouse."""
    views_schema: str = VIEW_SCHEMA
    """Schema of the views there."""
    creates_folder: bool = False
    """Whether the folder of the database is created if only it is missing."""
    file_mode: int = 0o444
    """Permissions of the published file."""


DEFAULTS = Settings()


def is_schema_name(name: str) -> bool:
    """Whether a warehouse can have the raw tables or the views under this name."""
    return (
        _SCHEMA_NAME.fullmatch(name) is not None
        and len(name) <= LONGEST_SCHEMA
        and name != "information_schema"
    )


def configuration() -> dict[str, Any]:
    """The content of `.dlt/config.toml`; empty if the file does not exist."""
    try:
        return tomllib.loads(CONFIG_FILE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadConfiguration(
            f"{CONFIG_FILE} cannot be read ({error}): fix or remove it"
        ) from None


def find_key() -> str:
    """The API key: TELNYX_API_KEY, else dlt's own secret places. Raises KeyRefused without one."""
    key = os.environ.get("TELNYX_API_KEY", "").strip() or _dlt_secret()
    if not key:
        raise KeyRefused(
            "no API key: set TELNYX_API_KEY (from https://portal.telnyx.com/#/api-keys), "
            "put api_key under [sources.telnyx] in .dlt/secrets.toml, or try sync --demo"
        )
    return key


def prepare_dlt() -> None:
    """Settings of dlt for this process. Call it before dlt is imported."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    # a signal ends a run at once: no half-loaded package must be saved
    os.environ["RUNTIME__INTERCEPT_SIGNALS"] = "false"
    # a load that fails would fail again: waiting for it to pass would take five seconds
    os.environ["LOAD__RAISE_ON_MAX_RETRIES"] = "1"
    # DuckDB uses all cores for one file; several at once only take several times the memory
    os.environ.setdefault("LOAD__WORKERS", "1")


def _dlt_secret() -> str:
    # importing dlt takes a second; a run with the key in its environment skips it
    prepare_dlt()
    import dlt

    try:
        return str(dlt.secrets.get(_SECRET_NAME) or "").strip()
    except Exception as error:
        raise BadConfiguration(
            f"dlt's secrets cannot be read ({type(error).__name__}): fix .dlt/secrets.toml"
        ) from None
