"""The options of the commands, each with its help, its type and its default."""

import re
from datetime import datetime
from enum import StrEnum, auto
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, BadParameter, Option

from telnyx_jobs.settings import DESTINATIONS, LONGEST_SCHEMA, MAX_PAGE_SIZE, is_schema_name

_DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S"]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class JobType(StrEnum):
    """The types that the API's `filter[type]` takes."""

    UPDATE_EMERGENCY_SETTINGS = auto()
    DELETE_PHONE_NUMBERS = auto()
    UPDATE_PHONE_NUMBERS = auto()


class RowFormat(StrEnum):
    """How rows are printed."""

    TABLE = auto()
    CSV = auto()
    JSON = auto()


def _known_destination(name: str) -> str:
    if name not in DESTINATIONS:
        raise BadParameter(f"'{name}' is not one of {', '.join(DESTINATIONS)}")
    return name


def _schema_name(name: str) -> str:
    if not is_schema_name(name):
        raise BadParameter(
            f"'{name}' cannot be a schema in every warehouse: use up to {LONGEST_SCHEMA} "
            "lower-case letters, digits and single underscores, such as north_raw; not pg_… or "
            "…_staging"
        )
    return name


def _seconds(age: str) -> float:
    """A duration such as 90s, 30m, 2h or 1d in seconds."""
    number, unit = age[:-1], age[-1:]
    if unit not in _UNITS or not (number.isascii() and number.isdecimal()):
        raise BadParameter(f"'{age}' is not a duration: use 90s, 30m, 2h or 1d")
    return float(number) * _UNITS[unit]


def _file_mode(mode: str) -> str:
    try:
        number = int(mode, 8)
    except ValueError:
        number = 0
    if number | 0o444 != 0o444 or not number & 0o400:
        raise BadParameter(
            f"'{mode}' is not an octal mode that lets the owner read, and nobody write: "
            "use 0400, 0440 or 0444"
        )
    return mode


def _phone_numbers(numbers: list[str] | None) -> list[str] | None:
    for number in numbers or ():
        if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number):
            # it is not repeated, since messages are kept
            raise BadParameter("it is not an E.164 number: give one such as +12025550123")
    return numbers


Database = Annotated[
    Path,
    Option(
        help="The DuckDB file to publish. Its folder must exist; if the environment or "
        ".dlt/config.toml names the path, a sync creates the last folder.",
        dir_okay=False,
    ),
]
ReadDatabase = Annotated[Path, Option(help="The DuckDB file to read.", dir_okay=False)]
ChangedDatabase = Annotated[Path, Option(help="The DuckDB file to publish again.", dir_okay=False)]
BaseUrl = Annotated[
    str, Option(help="Address of the API.", envvar=["TELNYX_BASE_URL", "TELNYX_JOBS_BASE_URL"])
]
Demo = Annotated[bool, Option("--demo", help="Use the demo API on loopback; needs no key.")]
MaxRetries = Annotated[int, Option(help="Retries per request.", min=0)]
Timeout = Annotated[float, Option(help="Seconds for one request and its whole answer.", min=0.001)]
Destination = Annotated[
    str,
    Option(
        help=f"The file or a warehouse: {', '.join(DESTINATIONS)}.",
        metavar="NAME",
        callback=_known_destination,
    ),
]
Dataset = Annotated[
    str,
    Option(
        help="Schema of the raw tables in a warehouse, one per account.",
        metavar="NAME",
        callback=_schema_name,
    ),
]
ViewsSchema = Annotated[
    str,
    Option(
        help="Schema of the views in a warehouse, one per account.",
        metavar="NAME",
        callback=_schema_name,
    ),
]
Json = Annotated[bool, Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, Option("--quiet", help="Print no progress on stderr.")]

# sync

Full = Annotated[bool, Option("--full", help="Read every page, not only new ones.")]
Since = Annotated[
    datetime | None,
    Option(
        help="Read jobs back to this date (UTC) only, in a first sync.",
        metavar="DATE",
        formats=_DATES,
    ),
]
JobIds = Annotated[list[str] | None, Option(help="Sync only this job; repeatable.")]
JobTypes = Annotated[
    list[JobType] | None,
    Option(help=f"Only jobs of this type: {', '.join(JobType)}; repeatable.", metavar="TYPE"),
]
DryRun = Annotated[bool, Option("--dry-run", help="Print what would be requested; write nothing.")]
PageSize = Annotated[int, Option(help="Jobs per list page.", min=1, max=MAX_PAGE_SIZE)]
MaxRequests = Annotated[int | None, Option(help="Requests this run may send.", min=1)]
Wait = Annotated[float, Option(help="Seconds to wait while another sync runs.", min=0)]
MaskPhoneNumbers = Annotated[
    bool, Option("--mask-phone-numbers", help="Keep keyed hashes instead of phone numbers.")
]
SameAccount = Annotated[
    bool,
    Option(
        "--same-account",
        help="Confirm that the key is of the file's account, if the API returns none of its jobs.",
    ),
]
AuditPages = Annotated[
    int, Option(help="Pages of the history to read again, the ones read longest ago.", min=0)
]
FileMode = Annotated[
    str, Option(help="Permissions of the published file.", metavar="OCTAL", callback=_file_mode)
]
Webhook = Annotated[
    str | None,
    Option(help="Post failed runs, new kinds of failure and rising rates to it.", metavar="URL"),
]
Ping = Annotated[
    str | None,
    Option(help="Report the start and end of each run to this heartbeat.", metavar="URL"),
]

# forget and prune

PhoneNumbers = Annotated[
    list[str] | None,
    Option(
        help="A phone number to forget, such as +12025550123; repeatable.",
        metavar="E164",
        callback=_phone_numbers,
    ),
]
PhoneNumberIds = Annotated[
    list[str] | None,
    Option(help="Telnyx id of a phone number to forget; repeatable.", metavar="ID"),
]
Before = Annotated[
    datetime,
    Option(
        help="Remove finished jobs created before this date (UTC).", metavar="DATE", formats=_DATES
    ),
]

# other commands

MaxAge = Annotated[
    float | None,
    Option(
        help="Exit 1 if the file is older than 90s, 30m, 2h or 1d.", metavar="AGE", parser=_seconds
    ),
]
Sample = Annotated[int, Option(help="Jobs to compare with the API, one by one.", min=0)]
Prometheus = Annotated[
    bool, Option("--prometheus", help="Print metrics in Prometheus' text format.")
]
To = Annotated[
    str,
    Option(
        help="The folder to write, or s3://bucket/prefix; an export there is replaced.",
        metavar="DIR",
    ),
]
Format = Annotated[
    Literal["parquet", "delta"] | None,
    Option(
        help="Parquet files, or Delta Lake tables of which only changed months are written.",
        show_default="parquet to a folder, delta to a bucket",
    ),
]
Html = Annotated[
    Path | None,
    Option(help="Write a page with charts to this file.", metavar="FILE", dir_okay=False),
]
Sql = Annotated[str, Argument(metavar="SQL", help="A query, or the name of a view such as jobs.")]
Rows = Annotated[
    RowFormat, Option("--format", help="How rows are printed.", envvar="TELNYX_JOBS_ROW_FORMAT")
]
Requests = Annotated[
    Path | None,
    Option(
        help="Write a request body per batch of numbers into this folder; send nothing.",
        metavar="DIR",
        file_okay=False,
    ),
]
Port = Annotated[int, Option(help="Port on loopback; 0 picks a free one.", min=0, max=65535)]
Seed = Annotated[int, Option(help="Which demo account to serve.")]
