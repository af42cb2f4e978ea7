"""What fails at Telnyx, where, since when, and which numbers are still to be mended.

    make notebook                                    # in the browser, on the demo file
    marimo edit notebooks/explore_failures.py -- --database telnyx_jobs.duckdb

The database: the argument, else TELNYX_JOBS_DATABASE, else telnyx_jobs.duckdb in this folder.
explore_failures.ipynb is this file for Jupyter, made by `make notebook-ipynb`: edit this one.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="What fails at Telnyx")

with app.setup:
    import os
    from pathlib import Path

    import altair as alt
    import duckdb
    import marimo as mo
    import pandas as pd

    CHART_WIDTH = 740
    # a longer table shows its first ten and last ten rows in Jupyter
    pd.set_option("display.min_rows", 20)


@app.cell
def _():
    mo.md(r"""
    # What fails at Telnyx

    From the file that `telnyx-jobs sync` publishes: how often operations fail, with which error at
    which field, how a single job went, and which numbers are still to be mended. A rate is failed
    operations over settled ones (successful or failed); pending ones count nowhere. Times and days
    are UTC; the time of an operation is that of its job's last change.
    """)
    return


@app.function
def place_of_database() -> Path:
    """The argument, else the environment, else the default. Jupyter passes no arguments."""
    in_marimo = mo.app_meta().mode in ("edit", "run", "script")
    argument = mo.cli_args().get("database") if in_marimo else None
    return Path(str(argument or os.environ.get("TELNYX_JOBS_DATABASE") or "telnyx_jobs.duckdb"))


@app.function
def give_up(sentence: str) -> None:
    """Ends here with a sentence instead of a traceback, in marimo, in Jupyter and as a script."""
    mo.stop(mo.running_in_notebook(), mo.callout(mo.md(sentence), kind="warn"))
    raise SystemExit(sentence)


@app.function
def read(database: Path, **queries: str) -> dict[str, pd.DataFrame]:
    """The result of each query, all of the same version of the file, which is closed again."""
    if not database.is_file():
        give_up(
            f"There is no file `{database}` yet. Make it with `telnyx-jobs sync`, or with made-up "
            "data by `telnyx-jobs sync --demo`; or name another in `TELNYX_JOBS_DATABASE`."
        )
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return {name: connection.sql(query).df() for name, query in queries.items()}
    except (duckdb.CatalogException, duckdb.IOException) as mistake:
        reason = str(mistake).splitlines()[0]
        give_up(f"`{database}` is not a file that `telnyx-jobs sync` published. {reason}")
        raise


@app.cell
def _():
    database = place_of_database()
    frames = read(
        database,
        jobs="""
            select
                job_id,
                coalesce(job_type, '(no type)') as job_type,
                status,
                cast(updated_at at time zone 'UTC' as date) as day,
                updated_at,
                requested_count,
                settled_count
            from telnyx.jobs
        """,
        # one row per failed operation and error; an operation without errors keeps one row
        failures="""
            select
                operations.job_id,
                operations.position,
                cast(operations.job_updated_at at time zone 'UTC' as date) as day,
                coalesce(operations.job_type, '(no type)') as job_type,
                coalesce(errors.error_code, '(no code)') as error_code,
                coalesce(errors.error_pointer_pattern, '(no pointer)') as error_pointer_pattern
            from telnyx.job_operations as operations
            left join telnyx.job_operation_errors as errors
                on
                    operations.job_id = errors.job_id
                    and operations.position = errors.operation_position
            where operations.outcome = 'failed'
        """,
        titles="""
            select
                coalesce(error_code, '(no code)') as error_code,
                coalesce(error_title, '') as error_title
            from telnyx.failure_rates_by_error_code
            order by failed_operation_count desc, error_code
        """,
        failing_phone_numbers="""
            select
                phone_number,
                phone_number_id,
                coalesce(job_type, '(no type)') as job_type,
                consecutive_failures,
                coalesce(error_codes, '(no code)') as error_codes,
                error_pointers,
                last_failed_at,
                last_job_id
            from telnyx.failing_phone_numbers
            order by consecutive_failures desc, last_failed_at desc, phone_number, phone_number_id
        """,
        # the one raw table: what each sync saw of a job is kept nowhere else
        observations="""
            select
                job_id,
                observed_at,
                coalesce(updated_at, observed_at) as changed_at,
                status,
                successful_operations_count as successful,
                pending_operations_count as pending,
                failed_operations_count as failed
            from telnyx_raw.job_observations
            order by job_id, observed_at
        """,
    )
    jobs, failures, titles = frames["jobs"], frames["failures"], frames["titles"]
    failing_phone_numbers, observations = frames["failing_phone_numbers"], frames["observations"]

    if jobs["day"].isna().all():
        give_up(f"`{database}` holds no job yet: `telnyx-jobs sync` fills it.")
    return (
        database,
        failing_phone_numbers,
        failures,
        jobs,
        observations,
        titles,
    )


@app.cell
def _():
    mo.md(r"""
    ## Filters

    Everything below follows them. In Jupyter give each a `value=` here, and run the cells below
    again.
    """)
    return


@app.cell
def _(jobs, titles):
    job_type = mo.ui.multiselect(
        options=sorted(jobs["job_type"].unique()),
        label="Job types",
        full_width=True,
    )
    error_code = mo.ui.multiselect(
        options={
            f"{code} {title}".strip(): code
            for code, title in zip(titles["error_code"], titles["error_title"], strict=True)
        },
        label="Error codes",
        full_width=True,
    )
    period = mo.ui.date_range(
        start=jobs["day"].min().date(),
        stop=jobs["day"].max().date(),
        label="Period",
    )
    mo.vstack(
        [
            mo.hstack([job_type, error_code], widths="equal"),
            period,
            mo.md("None chosen means all."),
        ]
    )
    return error_code, job_type, period


@app.function
def chosen(
    frame: pd.DataFrame,
    days: pd.Series,
    job_types: list[str],
    period: tuple[object, object],
) -> pd.DataFrame:
    """The rows of these job types (all when none is named) whose day lies in the period."""
    of_type = frame["job_type"].isin(job_types) if job_types else True
    return frame[days.between(*map(pd.Timestamp, period)) & of_type]


@app.cell
def _(
    error_code,
    failing_phone_numbers,
    failures,
    job_type,
    jobs,
    period,
    titles,
):
    codes = error_code.value or list(titles["error_code"])

    chosen_jobs = chosen(jobs, jobs["day"], job_type.value, period.value)
    chosen_failures = chosen(failures, failures["day"], job_type.value, period.value)
    chosen_failures = chosen_failures[chosen_failures["error_code"].isin(codes)]

    last_days = failing_phone_numbers["last_failed_at"].dt.tz_localize(None).dt.normalize()
    worklist = chosen(failing_phone_numbers, last_days, job_type.value, period.value)
    worklist = worklist[
        [not set(codes).isdisjoint(found.split(", ")) for found in worklist["error_codes"]]
    ].reset_index(drop=True)
    return chosen_failures, chosen_jobs, worklist


@app.cell
def _(chosen_failures, chosen_jobs, database, failures, jobs, worklist):
    failed_operation_count = len(chosen_failures.drop_duplicates(["job_id", "position"]))
    settled_operation_count = int(chosen_jobs["settled_count"].sum())
    _rate = ""
    if settled_operation_count:
        _rate = f" (**{failed_operation_count / settled_operation_count:.2%}**)"
    undated = failures[failures["day"].isna()].drop_duplicates(["job_id", "position"])

    mo.md(
        f"**{failed_operation_count:,}** of **{settled_operation_count:,}** settled operations "
        f"failed{_rate}, of {len(chosen_jobs):,} jobs. "
        f"The worklist has **{len(worklist):,}** rows. "
        f"`{database.name}` goes up to {jobs['updated_at'].max():%Y-%m-%d %H:%M}."
        + (f" Left out: {len(undated):,} failed in jobs without a time." if len(undated) else "")
    )
    return


@app.cell
def _():
    mo.md(r"""
    ## How often, and does it get better?

    Above, of the operations that settled on a day, the share that failed; the larger the point, the
    more settled. Below, how many failed.
    """)
    return


@app.cell
def _(chosen_failures, chosen_jobs):
    # one row per day and job type on which anything settled
    _by = ["day", "job_type"]
    trend = (
        chosen_jobs[chosen_jobs["settled_count"] > 0]
        .groupby(_by, as_index=False)
        .agg(settled_operation_count=("settled_count", "sum"))
        .merge(
            chosen_failures.drop_duplicates(["job_id", "position"])
            .groupby(_by, as_index=False)
            .agg(failed_operation_count=("position", "size")),
            on=_by,
            how="left",
        )
        .fillna({"failed_operation_count": 0})
        .astype({"failed_operation_count": "int64"})
    )
    trend["failure_rate"] = trend["failed_operation_count"] / trend["settled_operation_count"]
    return (trend,)


@app.cell
def _(trend):
    _base = alt.Chart(trend.assign(day=trend["day"].dt.tz_localize("UTC"))).encode(
        x=alt.X("utcyearmonthdate(day):T", title=None, axis=alt.Axis(format="%d %b")),
        color=alt.Color("job_type:N", title=None, legend=alt.Legend(orient="top")),
        tooltip=[
            alt.Tooltip("utcyearmonthdate(day):T", title="day"),
            alt.Tooltip("job_type:N", title="job type"),
            alt.Tooltip("failure_rate:Q", title="failure rate", format=".2%"),
            alt.Tooltip("failed_operation_count:Q", title="failed", format=","),
            alt.Tooltip("settled_operation_count:Q", title="settled", format=","),
        ],
    )
    # the square root leaves room for the usual rates below a day on which all failed
    _rate = alt.Y(
        "failure_rate:Q",
        title="failure rate",
        scale=alt.Scale(type="sqrt"),
        axis=alt.Axis(format="%", values=[0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1]),
    )
    trend_chart = alt.vconcat(
        (
            _base.mark_line(opacity=0.35, strokeWidth=1).encode(y=_rate)
            + _base.mark_circle(opacity=0.8).encode(
                y=_rate, size=alt.Size("settled_operation_count:Q", legend=None)
            )
        ).properties(width=CHART_WIDTH, height=220),
        _base.mark_bar()
        .encode(y=alt.Y("failed_operation_count:Q", title="failed operations"))
        .properties(width=CHART_WIDTH, height=110),
    )
    trend_chart if len(trend) else mo.md("*Nothing settled in this selection.*")
    return


@app.cell
def _():
    mo.md(r"""
    ## Which error, at which field?

    Failed operations by error code and pointer, the most frequent at the top left. An operation
    with two errors counts in both cells. `*` in a pointer stands for any place in an array.
    """)
    return


@app.cell
def _(chosen_failures, titles):
    # one row per error code and pointer pattern; an operation counts once in each
    _by = ["error_code", "error_pointer_pattern"]
    heat = (
        chosen_failures.drop_duplicates(["job_id", "position", *_by])
        .groupby(_by, as_index=False)
        .agg(failed_operation_count=("position", "size"), job_count=("job_id", "nunique"))
        .merge(titles, on="error_code", how="left")
        .loc[:, ["error_code", "error_title", _by[1], "failed_operation_count", "job_count"]]
        .sort_values(["failed_operation_count", *_by], ascending=[False, True, True])
        .reset_index(drop=True)
    )
    return (heat,)


@app.cell
def _(heat):
    # as many as are readable; the table below has them all
    _most = {
        column: heat.groupby(column)["failed_operation_count"].sum().nlargest(32).index
        for column in ("error_code", "error_pointer_pattern")
    }
    _shown = heat[
        heat["error_code"].isin(_most["error_code"])
        & heat["error_pointer_pattern"].isin(_most["error_pointer_pattern"])
    ]
    _labels = [f"{n}" if n < 1000 else f"{n / 1000:.0f}k" for n in _shown["failed_operation_count"]]
    _cells = alt.Chart(_shown.assign(label=_labels)).encode(
        x=alt.X(
            "error_code:N",
            title="error code",
            sort=alt.EncodingSortField("failed_operation_count", op="sum", order="descending"),
        ),
        y=alt.Y(
            "error_pointer_pattern:N",
            title=None,
            sort=alt.EncodingSortField("failed_operation_count", op="sum", order="descending"),
            axis=alt.Axis(labelLimit=300),
        ),
        tooltip=[
            alt.Tooltip("error_code:N", title="code"),
            alt.Tooltip("error_title:N", title="title"),
            alt.Tooltip("error_pointer_pattern:N", title="pointer"),
            alt.Tooltip("failed_operation_count:Q", title="failed operations", format=","),
            alt.Tooltip("job_count:Q", title="jobs", format=","),
        ],
    )
    heat_chart = (
        _cells.mark_rect().encode(
            color=alt.Color(
                "failed_operation_count:Q",
                title="failed operations",
                scale=alt.Scale(type="sqrt", scheme="oranges"),
                legend=None,
            )
        )
        + _cells.mark_text(fontSize=8.5).encode(
            text=alt.Text("label:N"),
            color=alt.condition(
                alt.datum.failed_operation_count > 0.5 * heat["failed_operation_count"].max(),
                alt.value("white"),
                alt.value("black"),
            ),
        )
    ).properties(width=alt.Step(17), height=alt.Step(17))
    heat_chart if len(heat) else mo.md("*Nothing failed in this selection.*")
    return


@app.cell
def _(heat):
    heat
    return


@app.cell
def _():
    mo.md(r"""
    ## How did one job go?

    What each sync saw of it; a sync notes a job only when it has changed.
    """)
    return


@app.cell
def _(chosen_jobs, observations):
    # at most a thousand to choose from, the most often observed first, then the newest
    _seen = chosen_jobs.merge(
        observations.groupby("job_id", as_index=False).agg(observation_count=("status", "size")),
        on="job_id",
    ).sort_values(["observation_count", "updated_at", "job_id"], ascending=[False, False, True])
    _options = {
        f"{row.updated_at:%Y-%m-%d %H:%M} {row.job_type}, {row.status}, "
        f"{row.observation_count} observed: {row.job_id}": row.job_id
        for row in _seen.head(1000).itertuples()
    }
    job = mo.ui.dropdown(
        options=_options,
        value=next(iter(_options), None),
        searchable=True,
        label="Job",
        full_width=True,
    )
    job
    return (job,)


@app.cell
def _(job, observations):
    job_path = observations[observations["job_id"] == job.value].reset_index(drop=True)
    return (job_path,)


@app.cell
def _(job_path):
    _outcomes = ["failed", "successful", "pending"]
    _long = job_path.assign(
        seen=job_path["changed_at"].dt.strftime("%d %b %H:%M:%S|") + job_path["status"].fillna("?")
    ).melt(["seen", "changed_at"], _outcomes, var_name="outcome", value_name="operation_count")
    path_chart = (
        alt.Chart(_long.assign(order=_long["outcome"].map(_outcomes.index)))
        .mark_bar()
        .encode(
            x=alt.X(
                "seen:O",
                title="the job's last change, and its status then",
                sort=alt.EncodingSortField("changed_at", op="min"),
                axis=alt.Axis(
                    labelAngle=0, labelOverlap="greedy", labelExpr="split(datum.label, '|')"
                ),
            ),
            y=alt.Y("operation_count:Q", title="operations", axis=alt.Axis(tickMinStep=1)),
            color=alt.Color(
                "outcome:N",
                title=None,
                legend=alt.Legend(orient="top"),
                scale=alt.Scale(domain=_outcomes, range=["#d6453d", "#5b9a68", "#c9c9c9"]),
            ),
            order="order:O",
            tooltip=["seen:O", "outcome:N", alt.Tooltip("operation_count:Q", format=",")],
        )
        .properties(width=min(CHART_WIDTH, 120 * len(job_path)), height=220)
    )
    path_chart if len(job_path) else mo.md("*No job in this selection.*")
    return


@app.cell
def _():
    mo.md(r"""
    ## Which numbers are still to be mended?

    Each number and job type whose newest settled operation failed, with how often in a row it has.
    """)
    return


@app.cell
def _(worklist):
    worklist
    return


if __name__ == "__main__":
    app.run()
