# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""What fails at Telnyx, where, since when, for whom, and which numbers still fail.

    make notebook                                    # in the browser, on the demo file
    marimo edit notebooks/explore_failures.py -- --database telnyx_jobs.duckdb

The database: the argument, else TELNYX_JOBS_DATABASE, else telnyx_jobs.duckdb in this folder.
explore_failures.ipynb is this file for Jupyter, written by `make notebook-ipynb`: edit this one.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Telnyx failures")

with app.setup:
    import os
    from pathlib import Path

    import altair as alt
    import duckdb
    import marimo as mo
    import pandas as pd

    # a Vega expression: a phone has no room for long labels
    ON_PHONE = "containerSize()[0] < 520"
    # readable in either theme; the light one has no background of its own
    INK = "isString(background) && luminance(background) < 0.5 ? '#ddd' : '#444'"
    LABELS = alt.Axis(
        labelLimit=270,
        labelExpr=f"{ON_PHONE} && length(datum.label) > 16 ? '…' + slice(datum.label, -15)"
        " : datum.label",
    )
    COUNTS = [
        alt.Tooltip("failure_rate:Q", title="failure rate", format=".2%"),
        alt.Tooltip("failed_operation_count:Q", title="failed", format=","),
        alt.Tooltip("settled_operation_count:Q", title="settled", format=","),
    ]
    # a longer table shows its first ten and last ten rows in Jupyter
    pd.set_option("display.min_rows", 20)


@app.cell
def _():
    mo.md(r"""
    # Telnyx failures

    From the file that `telnyx-jobs sync` publishes. A failure rate is failed operations divided by
    settled ones (successful or failed). Times, days and weeks are UTC. An operation has the time
    of its job's last change.
    """)
    return


@app.function
def place_of_database() -> Path:
    """Return the argument, else the environment, else the default. Jupyter has no arguments."""
    in_marimo = mo.app_meta().mode in ("edit", "run", "script")
    argument = mo.cli_args().get("database") if in_marimo else None
    return Path(str(argument or os.environ.get("TELNYX_JOBS_DATABASE") or "telnyx_jobs.duckdb"))


@app.function
def give_up(sentence: str) -> None:
    """Stop with a sentence instead of a traceback, in marimo, in Jupyter and as a script."""
    mo.stop(mo.running_in_notebook(), mo.callout(mo.md(sentence), kind="warn"))
    raise SystemExit(sentence)


@app.function
def read(database: Path, **queries: str) -> dict[str, pd.DataFrame]:
    """Return the result of each query on one version of the file, and close the file."""
    if not database.is_file():
        give_up(
            f"The file `{database}` does not exist yet. Create it with `telnyx-jobs sync`, or with "
            "demo data by `telnyx-jobs sync --demo`, or name another in `TELNYX_JOBS_DATABASE`."
        )
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return {name: connection.sql(query).df() for name, query in queries.items()}
    except (duckdb.CatalogException, duckdb.IOException) as error:
        reason = str(error).splitlines()[0]
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
        parameters="""
            select job_id, pointer, coalesce(nullif(value, ''), '(empty)') as value
            from telnyx.job_parameters
        """,
        # one row per run of failures and code of its first failure
        recoveries="""
            select distinct
                coalesce(recoveries.phone_number_id, recoveries.phone_number) as phone_number_key,
                recoveries.first_job_id,
                coalesce(recoveries.job_type, '(no type)') as job_type,
                cast(recoveries.first_failed_at at time zone 'UTC' as date) as day,
                coalesce(failures.error_code, '(no code)') as error_code,
                recoveries.failed_attempts,
                recoveries.recovered_job_id is not null as is_recovered,
                recoveries.hours_to_recovery
            from telnyx.recoveries as recoveries
            inner join telnyx.failures as failures
                on
                    recoveries.first_job_id = failures.job_id
                    and coalesce(recoveries.phone_number_id, recoveries.phone_number)
                    = coalesce(failures.phone_number_id, failures.phone_number)
            order by all
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
    parameters, recoveries = frames["parameters"], frames["recoveries"]

    if jobs["day"].isna().all():
        give_up(f"`{database}` holds no job yet: `telnyx-jobs sync` fills it.")
    return (
        database,
        failing_phone_numbers,
        failures,
        jobs,
        observations,
        parameters,
        recoveries,
        titles,
    )


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
            mo.md("These filters apply to everything below. An empty filter means all."),
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
    """Return the rows of these job types (all if none is named) with a day in the period."""
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
    recoveries,
    titles,
):
    codes = error_code.value or list(titles["error_code"])

    chosen_jobs = chosen(jobs, jobs["day"], job_type.value, period.value)
    chosen_failures = chosen(failures, failures["day"], job_type.value, period.value)
    chosen_failures = chosen_failures[chosen_failures["error_code"].isin(codes)]

    chosen_recoveries = chosen(recoveries, recoveries["day"], job_type.value, period.value)
    chosen_recoveries = chosen_recoveries[chosen_recoveries["error_code"].isin(codes)]

    last_days = failing_phone_numbers["last_failed_at"].dt.tz_localize(None).dt.normalize()
    worklist = chosen(failing_phone_numbers, last_days, job_type.value, period.value)
    worklist = worklist[
        [not set(codes).isdisjoint(found.split(", ")) for found in worklist["error_codes"]]
    ].reset_index(drop=True)
    return chosen_failures, chosen_jobs, chosen_recoveries, worklist


@app.function
def rates(jobs: pd.DataFrame, failures: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return settled and failed operations and their quotient, a row per value of `by`."""
    counted = (
        jobs[jobs["settled_count"] > 0]
        .groupby(by, as_index=False)
        .agg(settled_operation_count=("settled_count", "sum"))
        .merge(
            failures.drop_duplicates([*by, "job_id", "position"])
            .groupby(by, as_index=False)
            .agg(failed_operation_count=("position", "size")),
            on=by,
            how="left",
        )
        .fillna({"failed_operation_count": 0})
        .astype({"failed_operation_count": "int64"})
    )
    counted["failure_rate"] = counted["failed_operation_count"] / counted["settled_operation_count"]
    return counted


@app.function
def with_week(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with a column `week`: the Monday of each day."""
    return frame.assign(week=frame["day"] - pd.to_timedelta(frame["day"].dt.day_of_week, unit="D"))


@app.cell
def _(chosen_failures, chosen_jobs):
    # one row per week and job type on which anything settled
    weekly = rates(with_week(chosen_jobs), with_week(chosen_failures), ["week", "job_type"])
    return (weekly,)


@app.function
def over_time(rates: pd.DataFrame, time: str, mark: alt.MarkDef) -> alt.Chart:
    """Return a chart of the failure rate of each job type by the days in the column `time`."""
    step = 1 + (rates[time].max() - rates[time].min()).days // 180
    mondays = pd.date_range(rates[time].min(), rates[time].max(), freq=f"{step}W-MON", tz="UTC")
    return (
        alt.Chart(rates.assign(**{time: rates[time].dt.tz_localize("UTC")}), mark=mark)
        .encode(
            x=alt.X(
                f"utcyearmonthdate({time}):T",
                title=None,
                axis=alt.Axis(
                    format="%d %b",
                    values=[monday.timestamp() * 1000 for monday in mondays],
                    labelOverlap="greedy",
                    grid=False,
                ),
            ),
            # a square root, so that one day on which everything failed leaves room for the others
            y=alt.Y(
                "failure_rate:Q",
                title="failure rate (square-root axis)",
                scale=alt.Scale(type="sqrt"),
                axis=alt.Axis(format="%", values=[0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1]),
            ),
            color=alt.Color(
                "job_type:N",
                title=None,
                legend=alt.Legend(orient="top", columns=alt.ExprRef(f"{ON_PHONE} ? 1 : 3")),
            ),
            tooltip=[f"utcyearmonthdate({time}):T", "job_type:N", *COUNTS],
        )
        .properties(width="container", height=260)
    )


@app.cell
def _(weekly):
    _lines = alt.MarkDef("line", point=alt.OverlayMarkDef(size=45))
    over_time(weekly, "week", _lines).properties(
        title="Failure rate per week, by its Monday"
    ) if len(weekly) else mo.md("*Nothing settled in this selection.*")
    return


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
        f"failed{_rate}, in {len(chosen_jobs):,} jobs. "
        f"The worklist has **{len(worklist):,}** rows. "
        f"Newest change in `{database.name}`: {jobs['updated_at'].max():%Y-%m-%d %H:%M}."
        + (f" Left out: {len(undated):,} failed in jobs without a time." if len(undated) else "")
    )
    return


@app.cell
def _():
    mo.md(r"""
    ## On which days?

    The failure rate of each day and job type. A larger point has more settled operations.
    """)
    return


@app.cell
def _(chosen_failures, chosen_jobs):
    # one row per day and job type on which anything settled
    trend = rates(chosen_jobs, chosen_failures, ["day", "job_type"])
    return (trend,)


@app.cell
def _(trend):
    _size = alt.Size("settled_operation_count:Q", scale=alt.Scale(range=[12, 360]), legend=None)
    over_time(trend, "day", alt.MarkDef("circle", opacity=0.75)).encode(size=_size) if len(
        trend
    ) else mo.md("*Nothing settled in this selection.*")
    return


@app.cell
def _():
    mo.md(r"""
    ## Which error, at which field?

    Failed operations by error code and pointer, the most frequent at the top left. The table below
    has all of them. An operation with two errors counts in both cells. `*` in a pointer is any
    place in an array.
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
    # as many as a phone has room for
    _shown = heat
    for _column in ("error_code", "error_pointer_pattern"):
        _most = _shown.groupby(_column)["failed_operation_count"].sum().nlargest(12).index
        _shown = _shown[_shown[_column].isin(_most)]
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
            axis=LABELS,
        ),
        tooltip=[
            *("error_code:N", "error_title:N", "error_pointer_pattern:N"),
            alt.Tooltip("failed_operation_count:Q", title="failed", format=","),
            alt.Tooltip("job_count:Q", title="jobs", format=","),
        ],
    )
    heat_chart = (
        _cells.mark_rect().encode(
            color=alt.Color(
                "failed_operation_count:Q",
                scale=alt.Scale(type="sqrt", scheme="oranges"),
                legend=None,
            )
        )
        + _cells.mark_text(fontSize=9).encode(
            text=alt.Text("label:N"),
            color=alt.condition(
                alt.datum.failed_operation_count > 0.5 * heat["failed_operation_count"].max(),
                alt.value("white"),
                alt.value("black"),
            ),
        )
    ).properties(width="container", height=alt.Step(22))
    heat_chart if len(heat) else mo.md("*Nothing failed in this selection.*")
    return


@app.cell
def _(heat):
    heat
    return


@app.cell
def _():
    mo.md(r"""
    ## What was sent?

    The failure rate of the jobs sent with each value of a parameter, such as a customer reference.
    The values that fail most come first.
    """)
    return


@app.cell
def _(parameters):
    # what differs between jobs, and not in each of them
    _values = parameters.groupby("pointer")["value"].agg(["nunique", "size"])
    _pointers = sorted(_values[(_values["nunique"] > 1) & (_values["size"] > 2)].index)
    pointer = mo.ui.dropdown(
        options=_pointers,
        value=next(
            (p for p in _pointers if p == "/customer_reference"), next(iter(_pointers), None)
        ),
        label="Parameter",
        full_width=True,
    )
    pointer
    return (pointer,)


@app.cell
def _(chosen_failures, chosen_jobs, parameters, pointer):
    # one row per value of the chosen parameter
    _sent = parameters[parameters["pointer"] == pointer.value][["job_id", "value"]]
    by_value = rates(
        chosen_jobs.merge(_sent, on="job_id"), chosen_failures.merge(_sent, on="job_id"), ["value"]
    )
    by_value = by_value.sort_values(["failure_rate", "value"], ascending=[False, True])
    by_value = by_value.reset_index(drop=True)
    return (by_value,)


@app.cell
def _(by_value, pointer):
    _bars = alt.Chart(by_value.head(20)).encode(
        x=alt.X(
            "failure_rate:Q",
            title="failure rate",
            # room for the text beyond the longest bar, which no rate reaches
            axis=alt.Axis(
                format="~%",
                tickCount=6,
                grid=False,
                labelExpr="datum.value > 1 ? '' : datum.label",
            ),
            scale=alt.Scale(domain=[0, 1.5 * (by_value["failure_rate"].max() or 1)], nice=False),
        ),
        y=alt.Y(
            "value:N",
            title=None,
            sort=None,
            axis=LABELS,
        ),
        tooltip=[alt.Tooltip("value:N", title=pointer.value or ""), *COUNTS],
    )
    parameter_chart = alt.layer(
        _bars.mark_bar(),
        _bars.transform_calculate(
            counts="format(datum.failed_operation_count, ',') + ' of '"
            " + format(datum.settled_operation_count, ',')"
        )
        .mark_text(align="left", dx=4, color=alt.ExprRef(INK))
        .encode(text="counts:N"),
    ).properties(width="container", height=alt.Step(22))
    parameter_chart if len(by_value) else mo.md("*No job of this selection has parameters.*")
    return


@app.cell
def _():
    mo.md(r"""
    ## Is a retry worth it?

    A run of failures is what one phone number fails in one type of job until its next success. The
    bars show how many retried runs recovered, by the error code that they began with.
    """)
    return


@app.cell
def _(chosen_recoveries, titles):
    # one row per error code that a run began with, the most often retried first
    _runs = chosen_recoveries.assign(
        is_retried=(chosen_recoveries["failed_attempts"] > 1) | chosen_recoveries["is_recovered"],
        # of the recovered alone
        attempts=chosen_recoveries["failed_attempts"].where(chosen_recoveries["is_recovered"]),
    )
    recovery = (
        _runs.groupby("error_code", as_index=False)
        .agg(
            failing_count=("is_retried", "size"),
            retried_count=("is_retried", "sum"),
            recovered_count=("is_recovered", "sum"),
            median_attempts=("attempts", "median"),
            median_hours=("hours_to_recovery", "median"),
        )
        .merge(titles, on="error_code", how="left")
        .sort_values(["retried_count", "error_code"], ascending=[False, True])
        .reset_index(drop=True)
    )
    recovery["recovery_rate"] = recovery["recovered_count"] / recovery["retried_count"].where(
        recovery["retried_count"] > 0
    )
    return (recovery,)


@app.cell
def _(recovery):
    _retried = recovery[recovery["retried_count"] > 0].head(15)
    recovery_chart = (
        alt.Chart(
            _retried.assign(
                label=_retried["error_code"] + "  " + _retried["error_title"].fillna(""),
                recovered=_retried["recovered_count"],
                failing=_retried["retried_count"] - _retried["recovered_count"],
            ).melt(
                [*recovery.columns, "label"],
                ["recovered", "failing"],
                var_name="outcome",
                value_name="run_count",
            )
        )
        .mark_bar()
        .encode(
            x=alt.X(
                "run_count:Q",
                title="retried runs of failures",
                axis=alt.Axis(tickCount=6, tickMinStep=1),
            ),
            y=alt.Y(
                "label:N",
                title=None,
                sort=alt.EncodingSortField("retried_count", op="max", order="descending"),
                axis=alt.Axis(
                    labelLimit=270,
                    labelExpr=f"{ON_PHONE} ? split(datum.label, '  ')[0] : datum.label",
                ),
            ),
            color=alt.Color(
                "outcome:N",
                title=None,
                legend=alt.Legend(orient="top"),
                scale=alt.Scale(domain=["recovered", "failing"], range=["#5b9a68", "#d6453d"]),
            ),
            order=alt.Order("outcome:N", sort="descending"),
            tooltip=[
                alt.Tooltip("label:N", title="first error"),
                alt.Tooltip("failing_count:Q", title="runs", format=","),
                alt.Tooltip("retried_count:Q", title="retried", format=","),
                alt.Tooltip("recovered_count:Q", title="recovered", format=","),
                alt.Tooltip("recovery_rate:Q", title="recovery rate", format=".0%"),
                alt.Tooltip("median_attempts:Q", title="failed attempts, median"),
                alt.Tooltip("median_hours:Q", title="hours, median", format=",.0f"),
            ],
        )
        .properties(width="container", height=alt.Step(22))
    )
    recovery_chart if len(_retried) else mo.md("*Nothing was retried in this selection.*")
    return


@app.cell
def _():
    mo.md(r"""
    ## How did one job go?

    The job as each sync saw it. A sync records a job only if it has changed.
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
        # few bars stay narrow
        .mark_bar(width=alt.RelativeBandSize(band=min(0.9, 0.25 * len(job_path))))
        .encode(
            x=alt.X(
                "seen:O",
                title="the job's last change, and its status then",
                sort=alt.EncodingSortField("changed_at", op="min"),
                axis=alt.Axis(
                    labelAngle=0,
                    labelOverlap="greedy",
                    # without the seconds
                    labelExpr="[slice(datum.label, 0, 12), split(datum.label, '|')[1]]",
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
        .properties(width="container", height=220)
    )
    path_chart if len(job_path) else mo.md("*No job in this selection.*")
    return


@app.cell
def _():
    mo.md(r"""
    ## Which numbers still fail?

    Each number and job type whose newest settled operation failed, and how many failed in a row.
    """)
    return


@app.cell
def _(worklist):
    worklist
    return


if __name__ == "__main__":
    app.run()
