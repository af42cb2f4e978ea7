"""The report's HTML page, in a real browser."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from support.browser import axe_source, chromium
from support.reported import published, report_on
from support.syncs import (
    error,
    failure,
    job,
    rows,
)
from telnyx_jobs.demo_api import Account
from telnyx_jobs.report.charts import charts_of
from telnyx_jobs.report.figures import Day
from telnyx_jobs.report.html import html_page, write_html

PHONE, DESKTOP = 360, 1280
THEMES = ("light", "dark")
DEMO_DAY = datetime(2026, 11, 20, tzinfo=UTC)


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
