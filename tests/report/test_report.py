"""The report for a terminal, character by character, and how its HTML is written."""

import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from support.reported import published, report_on
from support.syncs import (
    EPOCH,
    Json,
    job,
    run,
)
from telnyx_jobs.errors import BadConfiguration, CannotWrite
from telnyx_jobs.report.figures import Freshness
from telnyx_jobs.report.html import write_html
from telnyx_jobs.report.text import text_page

SMALL_PAGE = """\
telnyx_jobs.duckdb: what fails, how often, since when
Synced 2026-01-03 00:00 UTC, 5 min before this report. All times are UTC.
jobs                   3
  open                 1, 1 overdue
operations settled     6
  failed               3
failure rate           50.00%
numbers still failing  2
numbers without an answer in a finished job: 1

Last 7 days against the 28 before
50.00% failed (3 of 6) in the 7 days to 2026-01-01 03:00, nothing settled in the 28 days before.
change  code     pointer                                                rate  before  failed  before
new     10015    /phone_numbers/*/tags                                33.33%       -       2       0
new     no code  no pointer                                           16.67%       -       1       0

Failure rate by error code
code     title                                     failed    rate  95 % range
10015    title 10015                                    2  33.33%  9.68% to 70.00%  ████████████████
no code  -                                              1  16.67%  3.01% to 56.35%  ████████

Failure rate by pointer
pointer                                            failed    rate  95 % range
/phone_numbers/*/tags                                   2  33.33%  9.68% to 70.00%  ████████████████
no pointer                                              1  16.67%  3.01% to 56.35%  ████████

First seen in the newest 7 days
first seen        code     pointer                                               title        failed
2026-01-01 02:00  no code  no pointer                                            -                 1
2026-01-01 01:00  10015    /phone_numbers/*/tags                                 title 10015       2

Numbers still failing
number        job type              error codes                           in a row  last failed
+15550000004  update_phone_numbers  -                                            1  2026-01-01 02:00
+15550000003  update_phone_numbers  10015                                        1  2026-01-01 01:00

Open jobs
job                                             job type              status   pending  due
job-00003                                       update_phone_numbers  pending        1  24 h overdue
"""


def page_of(database: Path) -> str:
    return text_page(report_on(database, datetime.now(UTC)), Console())


def test_the_page_for_a_terminal(small: Path) -> None:
    """A small account's page shows each figure of the views, character by character."""
    read_at = EPOCH + timedelta(days=2, minutes=5)
    report = report_on(small, read_at)
    synced = Freshness(synced_at=EPOCH + timedelta(days=2))

    assert f"{text_page(replace(report, freshness=synced), Console())}\n" == SMALL_PAGE


def test_an_old_file_is_called_old(small: Path) -> None:
    """Two days after its sync the page says that the file is old, and what to do."""
    report = report_on(small, datetime.now(UTC) + timedelta(days=2))

    assert "2 days before this report: old, run telnyx-jobs sync" in text_page(report, Console())


@pytest.mark.parametrize(
    ("jobs", "sentence"),
    [([], "No jobs yet."), ([job(1)], "Nothing has failed.")],
    ids=["no jobs", "no failures"],
)
def test_without_failures_a_sentence_says_so(
    jobs: list[Json], sentence: str, tmp_path: Path
) -> None:
    """If nothing failed, both pages say so and show no rates."""
    database = published(tmp_path, jobs)
    write_html(report_on(database, datetime.now(UTC)), tmp_path / "report.html")

    assert page_of(database).endswith(f"\n\n{sentence}")
    html = (tmp_path / "report.html").read_text()
    assert sentence in html
    assert "<table" not in html
    assert "<svg" not in html


def test_no_text_drives_the_terminal_or_widens_the_page(hostile: Path) -> None:
    """Whatever the API's texts hold, the page is plain lines of at most 100 columns."""
    page = page_of(hostile)

    assert max(map(len, page.splitlines())) <= 100
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", page) == []
    assert page.count("and 20 more rows") == 4


def test_the_command_prints_the_page(small: Path) -> None:
    """`report` prints the page for a terminal and nothing else."""
    done = run(small.parent, "report")

    assert (done.returncode, done.stderr) == (0, "")
    # the age alone may have changed since
    assert done.stdout.splitlines()[2:] == page_of(small).splitlines()[2:]


def test_without_a_file_the_report_says_to_sync(tmp_path: Path) -> None:
    """Without a published file the exit code is 78, with a line that says what to run."""
    done = run(tmp_path, "report")

    assert (done.returncode, done.stdout) == (78, "")
    assert "run telnyx-jobs sync first" in done.stderr


def test_a_file_without_the_views_is_refused(tmp_path: Path) -> None:
    """An empty DuckDB file is refused, with a line that says what to run."""
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    with pytest.raises(BadConfiguration, match="no sync has published"):
        report_on(tmp_path / "other.duckdb", datetime.now(UTC))


def test_the_html_replaces_what_was_there(small: Path, tmp_path: Path) -> None:
    """The page replaces an older one, keeps its permissions, and leaves nothing else behind."""
    file = tmp_path / "report.html"
    file.write_text("older")
    file.chmod(0o640)
    done = run(tmp_path, "report", "--database", str(small), "--html", str(file))

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Wrote {file} ({file.stat().st_size:,} bytes)\n"
    assert file.read_text().startswith("<!doctype html>")
    assert file.stat().st_mode & 0o777 == 0o640
    assert os.listdir(file.parent) == ["report.html"]


@pytest.mark.parametrize("place", ["/dev/null", "no/such/folder.html"])
def test_html_that_cannot_be_written_is_reported(place: str, small: Path, tmp_path: Path) -> None:
    """A device, or a missing folder, is reported and not changed."""
    report = report_on(small, datetime.now(UTC))
    with pytest.raises(CannotWrite):
        write_html(report, tmp_path / place)
