"""`runs.jsonl`: one line per run, failed ones too."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from telnyx_jobs.destinations.base import Destination
from telnyx_jobs.errors import Bug, stops_kept
from telnyx_jobs.files import append_line
from telnyx_jobs.progress import Report
from telnyx_jobs.run.summary import Summary
from telnyx_jobs.text import reason_of


@contextmanager
def recorded(destination: Destination, summary: Summary, report: Report) -> Iterator[None]:
    """Records the run with its exit code and error, once it has ended.

    A line that cannot be written is only a warning: it does not change the result of the run.
    """
    with destination.errors():
        destination.prepare()
    outcome: dict[str, object] = {"exit_code": 0, "error": None}
    try:
        with destination.errors(), stops_kept():
            yield
    except BaseException as error:
        code = getattr(error, "exit_code", Bug.exit_code)
        outcome = {"exit_code": code, "error": reason_of(error)}
        summary.finished_at = datetime.now(UTC)
        raise
    finally:
        runs = destination.place.runs
        try:
            append_line(runs, json.dumps(summary.as_json() | outcome))
        except OSError as error:
            report("warning", message=f"{runs} lacks this run: {reason_of(error)}")
