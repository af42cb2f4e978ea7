"""The notebook: its figures against plain SQL, as an app in a browser, and as the .ipynb of it."""

import base64
import runpy
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from playwright.sync_api import expect

from make_ipynb import EXPORT, NOTEBOOK, VEGA_LITE, make_history, make_ipynb
from support.browser import chromium
from support.syncs import environment, rows

CHART_COUNT = 3

# what duckdb's df() does with today's pandas
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The history that the .ipynb shows."""
    path = tmp_path_factory.mktemp("notebook") / "telnyx_jobs.duckdb"
    make_history(path)
    return path


@pytest.fixture(scope="module")
def computed(database: Path) -> dict[str, Any]:
    """What the notebook computes when nothing is filtered."""
    return run_notebook(database)


def run_notebook(database: Path, **replaced: Any) -> dict[str, Any]:
    """Every variable of the notebook, run headless on the database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TELNYX_JOBS_DATABASE", str(database))
        patch.setattr(sys, "argv", [str(NOTEBOOK)])
        _, definitions = runpy.run_path(str(NOTEBOOK))["app"].run(defs=replaced or None)
    return dict(definitions)


def filters(
    computed: dict[str, Any],
    *,
    job_types: Sequence[str] = (),
    codes: Sequence[str] = (),
    days: tuple[Any, Any] | None = None,
) -> dict[str, Any]:
    """The three filters with these values, the period's own where none is named."""
    return {
        "job_type": SimpleNamespace(value=list(job_types)),
        "error_code": SimpleNamespace(value=list(codes)),
        "period": SimpleNamespace(value=days or computed["period"].value),
    }


def tuples(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in frame[list(columns)].itertuples(index=False)]


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_trend_is_what_sql_gives(database: Path, computed: dict[str, Any]) -> None:
    """Each day and type has the failed and settled operations of its jobs, and their quotient."""
    trend = computed["trend"].assign(day=computed["trend"]["day"].dt.date)
    expected = rows(
        database,
        """
        select
            cast(updated_at at time zone 'UTC' as date) as day, job_type,
            sum(coalesce(failed_count, 0))::bigint, sum(settled_count)::bigint,
            sum(coalesce(failed_count, 0))::double / sum(settled_count)
        from telnyx.jobs where settled_count > 0 group by all order by all
        """,
    )

    assert len(expected) > 100
    counts = ("failed_operation_count", "settled_operation_count")
    assert tuples(trend, "day", "job_type", *counts) == [row[:4] for row in expected]
    assert list(trend["failure_rate"]) == pytest.approx([row[4] for row in expected])


def test_the_heat_map_is_what_the_view_gives(database: Path, computed: dict[str, Any]) -> None:
    """Each cell has the operations and jobs of its code and pointer, those without one too."""
    expected = rows(
        database,
        """
        select
            coalesce(error_code, '(no code)'), coalesce(error_pointer_pattern, '(no pointer)'),
            failed_operation_count, job_count
        from telnyx.failure_rates_by_error_code_and_pointer
        order by failed_operation_count desc, 1, 2
        """,
    )

    found = tuples(
        computed["heat"],
        *("error_code", "error_pointer_pattern", "failed_operation_count", "job_count"),
    )
    assert len(expected) > 30
    assert sorted(found) == sorted(expected)
    assert [row[2] for row in found] == [row[2] for row in expected]


def test_the_worklist_is_every_failing_number(database: Path, computed: dict[str, Any]) -> None:
    """Nothing filtered, the worklist is the view, the longest failing first."""
    expected = rows(
        database,
        """
        select phone_number_id, job_type, consecutive_failures, last_job_id
        from telnyx.failing_phone_numbers
        """,
    )

    found = tuples(
        computed["worklist"],
        *("phone_number_id", "job_type", "consecutive_failures", "last_job_id"),
    )
    assert len(expected) > 100
    assert sorted(found) == sorted(expected)
    assert computed["worklist"]["consecutive_failures"].is_monotonic_decreasing


def test_the_path_is_what_the_syncs_saw(database: Path, computed: dict[str, Any]) -> None:
    """The path of the job shown has one row per observation, from pending to work done."""
    path = computed["job_path"]

    assert tuples(path, "status", "successful", "pending", "failed") == rows(
        database,
        f"""
        select
            status, successful_operations_count, pending_operations_count,
            failed_operations_count
        from telnyx_raw.job_observations where job_id = '{computed["job"].value}'
        order by observed_at
        """,
    )
    assert len(path) >= 3
    assert path["pending"].is_monotonic_decreasing


def test_filters_narrow_everything(database: Path, computed: dict[str, Any]) -> None:
    """One type, one code and a part of the period leave what SQL finds for these three."""
    first, last = (pd.Timestamp(day).date() for day in ("2026-10-01", "2026-10-31"))
    chosen = run_notebook(
        database,
        **filters(
            computed,
            job_types=["update_phone_numbers"],
            codes=["85004", "10036"],
            days=(first, last),
        ),
    )
    ((failed, settled),) = rows(
        database,
        f"""
        select
            (
                select count(distinct (job_id, operation_position))
                from telnyx.job_operation_errors
                where error_code in ('85004', '10036') and job_type = 'update_phone_numbers'
                and cast(job_updated_at as date) between '{first}' and '{last}'
            ),
            (
                select sum(settled_count) from telnyx.jobs
                where job_type = 'update_phone_numbers'
                and cast(updated_at as date) between '{first}' and '{last}'
            )
        """,
    )
    ((waiting,),) = rows(
        database,
        f"""
        select count(*) from telnyx.failing_phone_numbers
        where job_type = 'update_phone_numbers' and regexp_matches(error_codes, '85004|10036')
        and cast(last_failed_at as date) between '{first}' and '{last}'
        """,
    )

    assert failed > 10
    assert waiting > 0
    assert chosen["trend"]["failed_operation_count"].sum() == failed
    assert chosen["trend"]["settled_operation_count"].sum() == settled
    assert set(chosen["heat"]["error_code"]) == {"85004", "10036"}
    assert len(chosen["worklist"]) == waiting


def test_a_selection_without_failures_is_no_error(database: Path, computed: dict[str, Any]) -> None:
    """Filters that leave nothing leave empty frames."""
    chosen = run_notebook(database, **filters(computed, job_types=["no such type"]))

    assert [len(chosen[name]) for name in ("trend", "heat", "job_path", "worklist")] == [0] * 4


def test_ids_and_numbers_are_text(computed: dict[str, Any]) -> None:
    """Ids, phone numbers and error codes are pandas strings, never numbers."""
    text = {
        "jobs": ["job_id"],
        "failures": ["job_id", "error_code"],
        "observations": ["job_id"],
        "worklist": ["phone_number_id", "phone_number", "error_codes", "last_job_id"],
        "heat": ["error_code"],
    }

    for name, columns in text.items():
        assert set(computed[name][columns].dtypes) == {pd.StringDtype(na_value=float("nan"))}, name
    assert computed["worklist"]["phone_number"].str.startswith("+").all()


def test_a_missing_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Without a file the notebook says how to make one, and shows no traceback."""
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
    assert "There is no file `telnyx_jobs.duckdb` yet" in done.stderr
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


def test_the_ipynb_names_no_folder() -> None:
    """Nothing in it tells where it was made."""
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


def test_the_app_tells_of_a_missing_file(tmp_path: Path) -> None:
    """In a browser too, a missing file is a sentence and no traceback."""
    with app_of(tmp_path / "absent.duckdb", tmp_path) as url, chromium() as browser:
        page = browser.new_page()
        page.goto(url)
        page.get_by_text("There is no file").wait_for()

        assert page.get_by_text("Traceback").count() == 0
