"""The sync as a Dagster asset: the published file, with the summary of each run as its metadata.

The command runs from its own environment, with Dagster's variables, TELNYX_API_KEY among them.
"""

import json
import subprocess
from collections.abc import Iterator

import dagster as dg

COMMAND = "/opt/telnyx-jobs/bin/telnyx-jobs"
DATABASE = "/var/lib/telnyx-jobs/telnyx_jobs.duckdb"
TRY_AGAIN_LATER = 75


# nothing is materialized if another sync is running, or the API asks to wait
@dg.asset(
    output_required=False,
    pool="telnyx_jobs",
    retry_policy=dg.RetryPolicy(max_retries=2, delay=120),
)
def telnyx_jobs(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Telnyx phone-number jobs with their operations and errors, in a DuckDB file."""
    done = subprocess.run(
        [COMMAND, "sync", "--json", "--database", DATABASE],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode == TRY_AGAIN_LATER:
        context.log.warning("retry later: the next run continues")
    elif done.returncode:
        raise dg.Failure(
            f"telnyx-jobs sync ended with exit code {done.returncode}: see its stderr",
            # 69: the API cannot be reached; any other code needs a person
            allow_retries=done.returncode == 69,
        )
    else:
        yield dg.MaterializeResult(metadata=json.loads(done.stdout))


defs = dg.Definitions(
    assets=[telnyx_jobs],
    schedules=[
        dg.ScheduleDefinition(
            name="telnyx_jobs_quarter_hourly",
            target=[telnyx_jobs],
            cron_schedule="7-59/15 * * * *",
        )
    ],
)
