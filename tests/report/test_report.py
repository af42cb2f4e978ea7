"""The report: its page for a terminal, character by character, and its HTML in a real browser."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Browser, Page
from rich.console import Console

from support.browser import axe_source, chromium
from support.syncs import (
    EPOCH,
    Json,
    api_of,
    error,
    failure,
    job,
    numbers,
    rows,
    run,
    sync_once,
    text,
)
from telnyx_jobs.demo_api import Account
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.errors import BadConfiguration, CannotWrite
from telnyx_jobs.report.charts import charts_of
from telnyx_jobs.report.figures import Day, Freshness, Report, read_report
from telnyx_jobs.report.html import html_page, write_html
from telnyx_jobs.report.text import text_page
from telnyx_jobs.settings import Settings

PHONE, DESKTOP = 360, 1280
THEMES = ("light", "dark")
DEMO_DAY = datetime(2026, 11, 20, tzinfo=UTC)

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

HOSTILE = "<script>window.injected=1</script><img src=x onerror=window.injected=1>\x1b[31m\u202e"


def report_on(database: Path, now: datetime) -> Report:
    return read_report(destination_for(Settings(database)), now)


def small_account() -> list[Json]:
    """Two finished jobs with failures of two kinds, and one that is overdue."""
    late = text(EPOCH + timedelta(days=1))
    return [
        job(3, status="pending", pending_operations=numbers(9), etc=late),
        job(2, successful_operations=numbers(2), failed_operations=[failure(4)]),
        job(
            1,
            phone_numbers=numbers(1, 2, 3, 5),
            successful_operations=numbers(1, 2),
            failed_operations=[
                failure(2, error("10015", "/phone_numbers/0/tags")),
                failure(3, error("10015", "/phone_numbers/1/tags")),
            ],
        ),
    ]


def hostile_account() -> list[Json]:
    """Many kinds of failure whose every text is long, or markup, or drives a terminal."""
    errors = [
        {
            "code": f"{HOSTILE}{n}",
            "title": f"{HOSTILE}{'wide' * 200}",
            "source": {"pointer": f"/{HOSTILE}/{'x' * 300}{n}"},
        }
        for n in range(30)
    ]
    failed = [failure(n, one) for n, one in enumerate(errors)]
    types = [job(n, type=f"{HOSTILE}{n}", failed_operations=failed[: n + 1]) for n in range(30)]
    return [*types, job(40, status=HOSTILE * 5, etc=None, pending_operations=numbers(1))]


def published(folder: Path, jobs: list[Json]) -> Path:
    """The file that a sync of these jobs publishes."""
    database = folder / "telnyx_jobs.duckdb"
    with api_of(jobs) as api:
        sync_once(api, database)
    return database


def page_of(database: Path) -> str:
    return text_page(report_on(database, datetime.now(UTC)), Console())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small account's published file."""
    return published(tmp_path_factory.mktemp("small"), small_account())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hostile account's published file."""
    return published(tmp_path_factory.mktemp("hostile"), hostile_account())


@pytest.fixture(scope="module")
def html(small: Path) -> Path:
    """The small account's page."""
    return _written(small)


@pytest.fixture(scope="module")
def hostile_html(hostile: Path) -> Path:
    """The hostile account's page."""
    return _written(hostile)


@pytest.fixture(scope="module")
def demo_html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo account's page."""
    folder = tmp_path_factory.mktemp("demo")
    return _written(published(folder, Account().jobs(DEMO_DAY)))


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_no_request_leaves_the_page(html: Path, browser: Browser) -> None:
    """A browser requests the file itself and nothing else, and reports no error."""
    page = browser.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda broken: complaints.append(str(broken)))
    page.goto(html.as_uri())

    assert [url for url in asked if not url.startswith("data:")] == [html.as_uri()]
    assert complaints == []


def test_texts_of_the_api_are_no_markup(hostile_html: Path, browser: Browser) -> None:
    """Markup in codes, titles, pointers and types is shown as text and runs no script."""
    page = _opened(browser, hostile_html)

    assert page.evaluate("window.injected") is None
    assert page.locator("img:not([role])").count() == 0
    assert page.locator("script").count() == 1
    shown = page.get_by_role("table", name="By error code", exact=True).inner_text()
    assert "<script>window.injected=1</script>" in shown


@pytest.mark.parametrize("key", [None, "Enter", "Space"], ids=["click", "Enter", "Space"])
def test_a_header_sorts_its_table(key: str | None, html: Path, browser: Browser) -> None:
    """A header, by mouse or key, sorts figures high to low, then low to high, and announces it."""
    page = _opened(browser, html)
    table = page.get_by_role("table", name="By error code", exact=True)
    button = table.get_by_role("button", name="failed", exact=True)
    seen = []
    for _ in range(2):
        if key is None:
            button.click()
        else:
            button.focus()
            page.keyboard.press(key)
        order = table.locator("th").nth(2).get_attribute("aria-sort")
        seen.append((order, table.locator("tbody td:nth-child(3)").all_inner_texts()))

    assert seen == [("descending", ["2", "1"]), ("ascending", ["1", "2"])]


def test_an_empty_cell_sorts_last(html: Path, browser: Browser) -> None:
    """A row without a code is last, whichever way the codes are sorted."""
    page = _opened(browser, html)
    table = page.get_by_role("table", name="By error code", exact=True)
    for _ in range(2):
        table.get_by_role("button", name="code", exact=True).click()
        assert table.locator("tbody td:first-child").all_inner_texts() == ["10015", "no code"]


def test_the_dark_theme_has_other_colours(html: Path, browser: Browser) -> None:
    """Page, texts and charts follow the theme that the reader prefers."""
    light, dark = (_colours(_opened(browser, html, theme=theme)) for theme in THEMES)

    assert all(one != other for one, other in zip(light, dark, strict=True))


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_page_is_no_wider_than_the_window(
    width: int, html: Path, hostile_html: Path, browser: Browser
) -> None:
    """The page never scrolls sideways, not even with texts that no line can hold."""
    for file in (html, hostile_html):
        page = _opened(browser, file, width=width)
        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_nothing_keeps_people_from_reading_it(
    width: int, theme: str, html: Path, browser: Browser
) -> None:
    """axe finds no fault: names, roles, order of headings, contrast, keyboard access."""
    page = _opened(browser, html, width=width, theme=theme)
    page.evaluate(axe_source())
    found = page.evaluate("axe.run()")

    assert [fault["id"] for fault in found["violations"]] == []
    assert "color-contrast" in {passed["id"] for passed in found["passes"]}


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_each_chart_tells_what_it_shows(width: int, html: Path, browser: Browser) -> None:
    """A screen reader finds each chart once, as an image named by title and content."""
    page = _opened(browser, html, width=width)
    names = [str(chart.get_attribute("aria-label")) for chart in page.get_by_role("img").all()]

    assert [name.partition(":")[0] for name in names] == [
        "Failure rate per day",
        "Failure rate by error code",
        "Failure rate by pointer",
        "Error codes by pointer",
    ]
    assert "Most frequent: 10015 title 10015, 33.33%." in " ".join(names[1].split())


def test_a_thin_day_sets_no_axis(small: Path) -> None:
    """A day with few operations is pale, is not called the highest, and flattens no other day."""
    report = report_on(small, datetime.now(UTC))
    days = [Day(date(2026, 1, n), "t", settled=100, failed=2) for n in range(1, 10)]
    thin = Day(date(2026, 1, 10), "t", settled=1, failed=1)
    chart, *_ = charts_of(replace(report, days=[*days, thin]))

    assert "Highest: 2026-01-01, 2.00%. Pale: days with fewer than 20" in (chart.description)
    shown = re.findall(r">([0-9.]+%)<", chart.svgs["wide"])
    assert {float(label.rstrip("%")) for label in shown} == {0, 0.5, 1, 1.5, 2}


def test_the_last_days_stand_on_top(demo_html: Path, browser: Browser) -> None:
    """The first section has the rates of both spans, and each kind that is not steady."""
    database = demo_html.with_suffix(".duckdb")
    changed = rows(
        database,
        """
        select change, error_code, recent_failed_operation_count
        from telnyx.failure_rate_changes where change <> 'steady'
        """,
    )
    ((recent, earlier),) = rows(
        database,
        """
        select
            any_value(recent_settled_operation_count), any_value(earlier_settled_operation_count)
        from telnyx.failure_rate_changes
        """,
    )
    section = _opened(browser, demo_html).locator("section").first
    title, text = section.locator("h2, p").all_inner_texts()[:2]
    body = [row.locator("td").all_inner_texts() for row in section.locator("tbody tr").all()]

    assert title == "Last 7 days against the 28 before"
    assert re.findall(r"of ([\d,]+)\)", text) == [f"{recent:,}", f"{earlier:,}"]
    found = [(row[0], row[1].replace("no code", ""), row[5]) for row in body]
    assert sorted(found) == sorted((what, code or "", f"{n:,}") for what, code, n in changed)
    rises = [what in ("new", "rising") for what, *_ in found]
    assert rises == sorted(rises, reverse=True)


def test_rows_are_not_called_numbers(tmp_path: Path) -> None:
    """A number that fails in jobs of two types is one number, in a table of two rows."""
    failed = [failure(1, error("10015", "/tags"))]
    jobs = [job(n, type=f"type_{n}", failed_operations=failed) for n in (1, 2)]
    page = html_page(report_on(published(tmp_path, jobs), datetime.now(UTC)))

    assert "<dt>numbers still failing</dt><dd>1</dd>" in page
    assert re.search(r"Numbers still failing</h2>\s*<p class=\"dim\">2 rows<", page)


def test_a_wide_window_shows_each_column(demo_html: Path, browser: Browser) -> None:
    """At 1,280 pixels no table of the demo account scrolls sideways."""
    page = _opened(browser, demo_html)

    assert [box for box in _boxes(page) if box["scrollWidth"] > box["clientWidth"]] == []


def test_a_phone_shows_the_rate_beside_the_pointer(demo_html: Path, browser: Browser) -> None:
    """On a phone the rate stands in the window, beside code and pointer, before any scrolling."""
    page = _opened(browser, demo_html, width=PHONE)
    for name in ("Last 7 days against the 28 before", "By pointer", "By error code and pointer"):
        table = page.get_by_role("table", name=name, exact=True)
        edge = table.get_by_role("button", name="rate", exact=True).bounding_box()
        assert edge is not None
        assert edge["x"] + edge["width"] <= PHONE


def test_a_table_says_that_it_scrolls(demo_html: Path, browser: Browser) -> None:
    """Tables with more than their box shows say so, the others do not."""
    page = _opened(browser, demo_html)
    said = [hint.is_visible() for hint in page.locator(".hint").all()]

    assert said == [box["scrollHeight"] > box["clientHeight"] for box in _boxes(page)]
    assert set(said) == {True, False}


def test_print_has_every_row(demo_html: Path, browser: Browser) -> None:
    """On paper no table is cut, and no hint asks to scroll."""
    page = _opened(browser, demo_html)
    page.emulate_media(media="print")

    assert [box for box in _boxes(page) if box["scrollHeight"] > box["clientHeight"]] == []
    assert not any(hint.is_visible() for hint in page.locator(".hint").all())


def _written(database: Path) -> Path:
    file = database.with_suffix(".html")
    write_html(report_on(database, datetime.now(UTC)), file)
    return file


def _opened(browser: Browser, file: Path, *, width: int = DESKTOP, theme: Any = "light") -> Page:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=theme)
    page.goto(file.as_uri())
    return page


def _boxes(page: Page) -> list[dict[str, int]]:
    """The sizes of each table's box, and of what is in it, in pixels."""
    names = "clientHeight, clientWidth, scrollHeight, scrollWidth"
    script = f"boxes => boxes.map(({{{names}}}) => ({{{names}}}))"
    sizes: list[dict[str, int]] = page.locator(".scroll").evaluate_all(script)
    return sizes


def _colours(page: Page) -> list[str]:
    """Of the page, of its text, and of a chart's label and bar."""
    script = """() => {
        const style = (selector) => getComputedStyle(document.querySelector(selector));
        const chart = ".chart.wide svg ";
        return [style("body").backgroundColor, style("body").color,
            style(chart + "text").fill, style(chart + ".mark-rect path").fill];
    }"""
    colours: list[str] = page.evaluate(script)
    return colours
