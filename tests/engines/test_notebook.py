"""The notebook in marimo, in a browser, and in Jupyter."""

import base64
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest
from nbclient import NotebookClient
from playwright.sync_api import Page, expect

from make_ipynb import EXPORT, NOTEBOOK, VEGA_LITE, make_history, make_ipynb
from support.browser import chromium
from support.syncs import environment, rows

CHART_COUNT = 6

# what duckdb's df() does with today's pandas
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The history that the .ipynb shows."""
    path = tmp_path_factory.mktemp("notebook") / "telnyx_jobs.duckdb"
    make_history(path)
    return path


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_a_missing_file_is_reported_in_a_sentence(tmp_path: Path) -> None:
    """Without a file the notebook says how to create one, and shows no traceback."""
    done = subprocess.run(
        [sys.executable, str(NOTEBOOK)],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "The file `telnyx_jobs.duckdb` does not exist yet" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_ipynb_is_in_step_with_the_notebook(database: Path) -> None:
    """`make notebook-ipynb` would give the same cells, and the same outputs but for drawing."""

    def content(notebook: Any) -> list[tuple[Any, ...]]:
        return [
            (
                cell.cell_type,
                cell.source,
                [
                    {kind: data for kind, data in output.data.items() if kind != "image/png"}
                    for output in cell.get("outputs", [])
                ],
            )
            for cell in notebook.cells
        ]

    committed = nbformat.read(EXPORT, as_version=4)
    assert content(committed) == content(make_ipynb(database)), "run: make notebook-ipynb"


def test_every_chart_is_in_the_ipynb_as_a_picture() -> None:
    """Each chart is stored as Vega-Lite and as PNG, so that it shows without JavaScript."""
    notebook = nbformat.read(EXPORT, as_version=4)
    charts = [
        output.data
        for cell in code_cells(notebook)
        for output in cell.outputs
        if VEGA_LITE in output.data
    ]

    assert len(charts) == CHART_COUNT
    pictures = [base64.b64decode(chart["image/png"]) for chart in charts]
    assert all(picture.startswith(b"\x89PNG") and len(picture) > 10_000 for picture in pictures)


def test_the_ipynb_opens_with_a_figure_and_hides_its_code() -> None:
    """All code is hidden, the first output is a chart, and the hints for Jupyter are in it."""
    notebook = nbformat.read(EXPORT, as_version=4)
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]

    assert all(cell.metadata["jupyter"]["source_hidden"] for cell in code_cells(notebook))
    assert VEGA_LITE in outputs[0].data
    assert ["Jupyter" in text for text in texts] == [False] * (len(texts) - 1) + [True]


def test_the_ipynb_names_no_folder() -> None:
    """Nothing in it names the folder that it was made in."""
    content = EXPORT.read_text()

    assert not [place for place in ("/tmp/", "/home/", "/root/", "/Users/") if place in content]


def test_the_ipynb_runs_in_jupyter(database: Path, tmp_path: Path) -> None:
    """Executed by a Jupyter kernel, every cell ends without error and every chart is drawn."""
    notebook = nbformat.read(EXPORT, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TELNYX_JOBS_DATABASE", str(database))
        client = NotebookClient(
            notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}
        )
        client.execute()

    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"execute_result", "display_data"}
    assert sum("vega" in str(output.data.get("text/html")) for output in outputs) == CHART_COUNT


@contextmanager
def app_of(database: Path, folder: Path) -> Iterator[str]:
    """The address of the notebook served as an app."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "app.log").open("w") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "marimo", "run", str(NOTEBOOK), "--headless"),
                *("--no-token", "--port", str(port), "--", "--database", str(database)),
            ],
            cwd=folder,
            env=environment(folder),
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_for(url: str, process: subprocess.Popen[Any]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"{url}/health", trust_env=False).raise_for_status()
            return
        except httpx.TransportError:
            assert process.poll() is None, "the app did not start"
            assert time.monotonic() < end, "the app does not answer"
            time.sleep(0.1)


def test_a_click_on_a_filter_changes_what_is_shown(database: Path, tmp_path: Path) -> None:
    """In a browser, choosing one job type changes the figures, the chart and the worklist."""
    ((all_numbers, deleted),) = rows(
        database,
        "select count(*), sum((job_type = 'delete_phone_numbers')::int)::bigint "
        "from telnyx.failing_phone_numbers",
    )
    with app_of(database, tmp_path) as url, chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 2400})
        page.goto(url)
        page.get_by_text(f"The worklist has {all_numbers} rows").wait_for()
        page.get_by_role("cell", name="update_emergency_settings").first.wait_for()
        chart = page.locator("canvas.marks").first
        before = chart.screenshot()

        page.get_by_text("Select...").first.click()
        page.get_by_role("option", name="delete_phone_numbers").click()
        page.keyboard.press("Escape")

        page.get_by_text(f"The worklist has {deleted} rows").wait_for()
        others = page.get_by_role("cell", name="update_emergency_settings")
        expect(others).to_have_count(0, timeout=30_000)
        expect(page.get_by_role("cell", name="delete_phone_numbers").first).to_be_visible()
        assert chart.screenshot() != before


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_the_app_fits_its_window(width: int, theme: Any, database: Path, tmp_path: Path) -> None:
    """Charts are as wide as their container, in the reader's theme, without hints for Jupyter."""
    with app_of(database, tmp_path) as url, chromium() as browser:
        page = browser.new_page(viewport={"width": width, "height": 6000}, color_scheme=theme)
        page.goto(url)
        page.locator("canvas.marks").nth(CHART_COUNT - 1).wait_for()

        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert len({round(chart) for chart, _ in _widths(page)}) == 1
        # but for the menu beside each, and margins
        assert all(chart > 0.75 * room for chart, room in _widths(page))
        assert (max(_background(page)) < 60) == (theme == "dark")
        assert page.get_by_text("Jupyter").count() == 0


def _background(page: Page) -> list[int]:
    """Red, green and blue of the page, of 255 at most."""
    colour: list[int] = page.evaluate(
        """() => {
            const canvas = document.createElement("canvas").getContext("2d");
            canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
        }"""
    )
    return colour


def _widths(page: Page) -> list[list[float]]:
    """The width of each chart, and of the cell that it is in."""
    widths: list[list[float]] = page.locator("canvas.marks").evaluate_all(
        """charts => charts.map(chart => [chart, chart.closest(".output-area")].map(
            box => box.getBoundingClientRect().width))"""
    )
    return widths


def test_the_app_reports_a_missing_file(tmp_path: Path) -> None:
    """In a browser too, a missing file is a sentence and no traceback."""
    with app_of(tmp_path / "absent.duckdb", tmp_path) as url, chromium() as browser:
        page = browser.new_page()
        page.goto(url)
        page.get_by_text("does not exist yet").wait_for()

        assert page.get_by_text("Traceback").count() == 0
