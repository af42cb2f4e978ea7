"""What a run shows while it works: a live line on a terminal, JSON lines elsewhere, or nothing.

Both go to stderr; stdout belongs to the summary.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape

from telnyx_jobs.progress import Report, nothing

_SENTENCES = {
    "demo": "demo API on {url}",
    "connect": "connecting to {destination}",
    "copy": "copying the published file ({bytes:,} bytes)",
    "page": "page {number} of {total}: {records} jobs",
    "retrieve": "retrieved job {done} of {total}",
    "wait": "waiting {seconds:.1f} s, then attempt {attempt}: {reason}",
    "load": "found {changed:,} changed jobs",
    "test": "testing the data",
    "remove": "looking for what to remove",
    "vacuum": "rewriting the tables of {destination}",
    "publish": "publishing {database}",
    "table": "writing {name}",
    "upload": "uploaded {done:,} of {total:,} files",
    "warning": "{message}",
}
_LASTING = {"demo", "warning"}
"""Events whose sentence stays on the terminal; the others overwrite each other."""


@contextmanager
def reporting(run_id: str, *, quiet: bool) -> Iterator[Report]:
    """The report that suits stderr."""
    if quiet:
        yield nothing
    elif sys.stderr.isatty():
        console = Console(stderr=True)
        with console.status("starting") as status:

            def show(event: str, **fields: object) -> None:
                sentence = escape(_SENTENCES[event].format(**fields))
                status.update(sentence)
                if event in _LASTING:
                    console.print(sentence, highlight=False)

            yield show
    else:

        def write(event: str, **fields: object) -> None:
            json_line(event, "warning" if event == "warning" else "info", run_id=run_id, **fields)

        yield write


def json_line(event: str, level: str, **fields: object) -> None:
    """One log line on stderr. Ignores a closed pipe."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    with suppress(OSError):
        print(json.dumps({"ts": at, "level": level, "event": event, **fields}), file=sys.stderr)
