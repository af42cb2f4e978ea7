"""The sync as an Airflow 3 DAG: one task, which runs the command from its own environment.

The key is the password of the connection `telnyx`, so Airflow keeps it out of its logs.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    dag_id="telnyx_jobs",
    description="Bring the Telnyx phone-number jobs in DuckDB up to date",
    schedule="7-59/15 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    # a sync brings everything up to date, whatever time it was planned for
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=2)},
):
    BashOperator(
        task_id="sync",
        bash_command="/opt/telnyx-jobs/bin/telnyx-jobs sync --json",
        env={
            "TELNYX_API_KEY": "{{ conn.telnyx.password }}",
            "TELNYX_JOBS_DATABASE": "/var/lib/telnyx-jobs/telnyx_jobs.duckdb",
        },
        append_env=True,
        # retry later: the next run continues
        skip_on_exit_code=75,
        # the last line may not be the summary; `status --json` prints it at any time
        do_xcom_push=False,
        execution_timeout=timedelta(hours=12),
    )
