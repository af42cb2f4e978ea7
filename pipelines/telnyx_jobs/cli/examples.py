"""`telnyx-jobs examples`: schedules, monitoring, notebook, dbt project, configuration."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from telnyx_jobs.errors import BadConfiguration, CannotWrite

_FOLDERS = {
    "schedules": "pipelines/schedules",
    "monitoring": "pipelines/monitoring",
    "notebooks": "notebooks",
    "dbt": "dbt",
    ".dlt": ".dlt",
}
"""Each folder of examples, and where a checkout has it."""
_LEFT_OUT = shutil.ignore_patterns(
    *("__pycache__", "__marimo__", "make_ipynb.py", "make_sources.py", "secrets.toml"),
    # what dbt writes in a checkout
    *("target", "logs", "*.duckdb", ".user.yml"),
)

Folder = Annotated[
    Path,
    typer.Option(help="The folder to write them to.", metavar="DIR", file_okay=False),
]


def examples(to: Folder) -> None:
    """Write schedules, monitoring, notebook, dbt project and configuration to start from."""
    sources = _sources()
    present = [name for name in sources if (to / name).exists()]
    if present:
        raise BadConfiguration(f"{to / present[0]} exists already: give another --to")
    try:
        for name, source in sources.items():
            shutil.copytree(source, to / name, ignore=_LEFT_OUT)
    except (OSError, shutil.Error) as error:
        reason = getattr(error, "strerror", None) or "copying failed"
        raise CannotWrite(
            f"{to} cannot be written ({reason}): give --to a place that can"
        ) from None
    for name in sources:
        print(to / name)


def _sources() -> dict[str, Path]:
    """Each folder of examples by its name: inside the installed package, else in the checkout."""
    package = Path(__file__).parents[1]
    installed = package / "examples"
    if installed.is_dir():
        return {name: installed / name for name in _FOLDERS}
    return {name: package.parents[1] / place for name, place in _FOLDERS.items()}
