"""How long each view takes on a million operations; by hand: `python tests/benchmarks/views.py`.

Prints a table: rows, least and median seconds of seven runs, each fetching the whole view into
Arrow, and the least CPU seconds, which are more exact on a machine with other work.

2,000 jobs of 500 numbers over 11 months, 1 operation in 20 failed, 50,000 numbers in turn: three
in five of them failed once, many more than in real accounts.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).parents[2] / "pipelines"))

from telnyx_jobs.destinations.duckdb_tables import create_views, update_tables

HISTORY = """
insert into telnyx_raw.jobs by name
select
    md5(cast(job as varchar)) as id,
    'phone_numbers_job' as record_type,
    ['update_phone_numbers', 'update_emergency_settings', 'delete_phone_numbers'][1 + job % 3]
        as type,
    case when job >= $jobs - 20 then 'in_progress' else 'completed' end as status,
    timestamptz '2025-01-01 00:00:00+00' + to_minutes(240 * job) as created_at,
    timestamptz '2025-01-01 00:00:00+00' + to_minutes(240 * job + job % 50) as updated_at,
    timestamptz '2025-01-01 00:00:00+00' + to_minutes(240 * job + 30) as etc,
    $numbers as phone_numbers_count,
    $numbers - $numbers // 20 as successful_operations_count,
    0 as pending_operations_count,
    $numbers // 20 as failed_operations_count,
    timestamptz '2026-01-01 00:00:00+00' as observed_at
from range($jobs) as jobs (job);
"""
NUMBERS = """
create temp table numbers as
select
    jobs.id as job_id,
    rowid as job_number,
    places.place,
    1000000000000000000 + hash(jobs.id, places.place) % 50000 as id,
    '+1555' || lpad(cast(hash(jobs.id, places.place) % 50000 as varchar), 7, '0') as phone_number
from telnyx_raw.jobs as jobs, range($numbers) as places (place);
"""
CHILDREN = """
insert into telnyx_raw.job_phone_numbers by name
select
    job_id,
    place as position,
    case
        -- one in a thousand that no operation answers
        when place % 1000 = job_number % 1000 then 'lost'
        -- a job is asked for by ids or by numbers: Telnyx refuses both in one
        when job_number % 2 = 0 then cast(id as varchar)
    end as phone_number_id,
    case
        when place % 1000 = job_number % 1000 then null
        when job_number % 2 = 1 then phone_number
    end as phone_number
from numbers;

insert into telnyx_raw.job_parameters by name
select
    jobs.id as job_id,
    '/' || [
        'customer_reference', 'connection_id', 'billing_group_id', 'tags/0', 'hd_voice_enabled',
        'voice/tech_prefix_enabled', 'voice/cnam_listing/cnam_listing_enabled', 'external',
        'voice/translated_number', 'voice/call_forwarding/call_forwarding_enabled'
    ][1 + parameters.place] as pointer,
    case parameters.place
        -- one of each job's own, three that many jobs share, and settings of few values
        when 0 then 'change ' || jobs.rowid
        when 1 then cast(1290000000000000000 + jobs.rowid % 30 as varchar)
        when 2 then cast(hash(jobs.id) % 8 as varchar)
        when 3 then ['blue', 'green'][1 + jobs.rowid % 2]
        else cast(hash(jobs.id, parameters.place) % 2 = 0 as varchar)
    end as value
from telnyx_raw.jobs as jobs, range(10) as parameters (place);

insert into telnyx_raw.job_operations by name
select
    job_id,
    case when place % 20 = 0 then 'failed' else 'successful' end as outcome,
    case when place % 20 = 0 then place // 20 else place - place // 20 - 1 end as position,
    cast(id as varchar) as phone_number_id,
    phone_number
from numbers;

insert into telnyx_raw.job_operation_errors by name
select
    job_id,
    operations.position as operation_position,
    errors.position,
    cast(10000 + hash(job_id, operations.position, errors.position) % 40 as varchar) as code,
    'Title ' || (hash(job_id, operations.position, errors.position) % 40) as title,
    'What exactly was wrong.' as detail,
    '/phone_numbers/' || operations.position || '/field' || (hash(job_id) % 10) as source_pointer
from telnyx_raw.job_operations as operations, range(2) as errors (position)
where outcome = 'failed' and hash(job_id, operations.position) % 10 > 0;
"""


def fill(connection: duckdb.DuckDBPyConnection, jobs: int, numbers: int) -> None:
    """Write the history, and the views over it."""
    update_tables(connection)
    connection.execute(HISTORY, {"jobs": jobs, "numbers": numbers})
    connection.execute(NUMBERS, {"numbers": numbers})
    connection.execute(CHILDREN)
    connection.execute("drop table numbers")
    create_views(connection)
    connection.execute("checkpoint")


def measure(
    connection: duckdb.DuckDBPyConnection, view: str, runs: int
) -> tuple[int, list[float], list[float]]:
    """Return the rows of a view, and the seconds and CPU seconds of each run."""
    seconds, cpu_seconds = [], []
    rows = 0
    for _ in range(runs):
        begun, cpu_begun = time.perf_counter(), time.process_time()
        rows = connection.sql(f"select * from telnyx.{view}").to_arrow_table().num_rows
        seconds.append(time.perf_counter() - begun)
        cpu_seconds.append(time.process_time() - cpu_begun)
    return rows, seconds, cpu_seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Time every view on a million operations.")
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--numbers", type=int, default=500, help="phone numbers of each job")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = f"{folder}/telnyx_jobs.duckdb"
        with duckdb.connect(database, config={"threads": options.threads}) as connection:
            connection.execute("set TimeZone = 'UTC'")
            fill(connection, options.jobs, options.numbers)
            views = connection.execute(
                "select view_name from duckdb_views() where schema_name = 'telnyx' order by all"
            ).fetchall()
            print("| view | rows | min | median | CPU |\n| --- | ---: | ---: | ---: | ---: |")
            for (view,) in views:
                rows, seconds, cpu_seconds = measure(connection, view, options.runs)
                times = (min(seconds), statistics.median(seconds), min(cpu_seconds))
                figures = " | ".join(f"{time_:.3f} s" for time_ in times)
                print(f"| `{view}` | {rows:,} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
