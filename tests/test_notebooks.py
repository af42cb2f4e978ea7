"""The notebook's figures against plain SQL. tests/engines has it in a browser and in Jupyter."""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from make_ipynb import NOTEBOOK, SYNCS
from support.syncs import api_of, rows, sync_once
from telnyx_jobs.demo_api import Account

# what duckdb's df() does with today's pandas
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What three syncs see of the demo account."""
    path = tmp_path_factory.mktemp("notebook") / "telnyx_jobs.duckdb"
    account = Account()
    for now in SYNCS[:3]:
        with api_of(account.jobs(now)) as api:
            sync_once(api, path)
    return path


@pytest.fixture(scope="module")
def computed(database: Path) -> dict[str, Any]:
    """What the notebook computes when nothing is filtered."""
    return run_notebook(database)


def run_notebook(database: Path, **replaced: Any) -> dict[str, Any]:
    """Return every variable of the notebook, run on the database without a browser."""
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
    """Return the three filters with these values, and the period's own if none is named."""
    return {
        "job_type": SimpleNamespace(value=list(job_types)),
        "error_code": SimpleNamespace(value=list(codes)),
        "period": SimpleNamespace(value=days or computed["period"].value),
    }


def tuples(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in frame[list(columns)].itertuples(index=False)]


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


def test_weeks_are_what_sql_gives(database: Path, computed: dict[str, Any]) -> None:
    """Each week and type has the failed and settled operations of its jobs, from Monday on."""
    weekly = computed["weekly"].assign(week=computed["weekly"]["week"].dt.date)
    expected = rows(
        database,
        """
        select
            cast(date_trunc('week', updated_at at time zone 'UTC') as date) as week, job_type,
            sum(coalesce(failed_count, 0))::bigint, sum(settled_count)::bigint
        from telnyx.jobs where settled_count > 0 group by all order by all
        """,
    )

    assert len(expected) > 20
    counts = ("failed_operation_count", "settled_operation_count")
    assert tuples(weekly, "week", "job_type", *counts) == expected


def test_parameters_are_what_the_view_gives(database: Path, computed: dict[str, Any]) -> None:
    """Each value of the parameter shown has the rate of the jobs that were sent with it."""
    shown = computed["pointer"].value
    expected = rows(
        database,
        f"""
        select coalesce(nullif(value, ''), '(empty)'), failed_operation_count,
            settled_operation_count, failure_rate
        from telnyx.failure_rates_by_parameter
        where pointer = '{shown}' and settled_operation_count > 0
        order by failure_rate desc, 1
        """,
    )

    assert shown == "/customer_reference"
    counts = ("failed_operation_count", "settled_operation_count")
    assert tuples(computed["by_value"], "value", *counts, "failure_rate") == expected


def test_recovery_is_what_the_view_gives(database: Path, computed: dict[str, Any]) -> None:
    """Each code has the runs, retries, recoveries and medians of the view."""
    figures = ("failing_count", "retried_count", "recovered_count")
    means = ("recovery_rate", "median_attempts", "median_hours")
    expected = rows(
        database,
        f"""
        select coalesce(error_code, '(no code)'), {", ".join((*figures, *means))}
        from telnyx.recovery_rates_by_error_code order by retried_count desc, 1
        """,
    )
    found = computed["recovery"]

    assert len(expected) > 20
    assert tuples(found, "error_code", *figures) == [row[:4] for row in expected]
    for place, name in enumerate(means, 4):
        values = [float("nan") if row[place] is None else row[place] for row in expected]
        assert list(found[name]) == pytest.approx(values, nan_ok=True), name


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
    """The path of the job shown has one row per observation, from pending to done."""
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


def test_a_selection_without_failures_is_empty(database: Path, computed: dict[str, Any]) -> None:
    """Filters that leave nothing leave empty frames."""
    chosen = run_notebook(database, **filters(computed, job_types=["no such type"]))

    names = ("weekly", "trend", "heat", "by_value", "recovery", "job_path", "worklist")
    assert [len(chosen[name]) for name in names] == [0] * len(names)


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
