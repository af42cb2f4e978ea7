-- One row per phone number, job type and run of failures.
create or replace view telnyx.recoveries as

with

raw_jobs as (
    select
        id as job_id,
        type as job_type,
        updated_at
    from telnyx_raw.jobs
),

-- Jobs from oldest to newest: a place that no two share settles ties on time once and for all.
jobs as (
    select
        job_id,
        job_type,
        updated_at,
        -- as the NULL below is: in ClickHouse a place is unsigned, and both make no one type
        cast(row_number() over (order by updated_at asc nulls first, job_id asc) as bigint)
            as job_place
    from raw_jobs
),

-- A number is identified by its id, or by its number if the API sent no id.
failures as (
    select
        operations.job_id,
        operations.position,
        operations.phone_number_id,
        operations.phone_number,
        jobs.job_type,
        jobs.job_place,
        nullif(coalesce(operations.phone_number_id, operations.phone_number), 'forgotten')
            as phone_number_key
    from telnyx_raw.job_operations as operations
    inner join jobs on operations.job_id = jobs.job_id
    where operations.outcome = 'failed'
),

errors as (
    select
        job_id,
        operation_position,
        code as error_code
    from telnyx_raw.job_operation_errors
),

-- A number for each phone number and job type that ever failed, as text is slow to sort.
failing as (
    select
        phone_number_key,
        job_type,
        min(job_place) as first_place,
        max(job_place) as last_place,
        row_number() over (order by phone_number_key asc, job_type asc) as failing_number
    from failures
    where phone_number_key is not null
    group by phone_number_key, job_type
),

failed_operations as (
    select
        failing.failing_number,
        failures.job_id,
        failures.job_place,
        failures.position,
        failures.phone_number_id,
        failures.phone_number
    from failures
    inner join failing
        on
            failures.phone_number_key = failing.phone_number_key
            and failures.job_type is not distinct from failing.job_type
),

failed_attempts as (
    select distinct
        failing_number,
        job_place
    from failed_operations
),

succeeded as (
    select
        jobs.job_type,
        jobs.job_place,
        nullif(
            coalesce(operations.phone_number_id, operations.phone_number), 'forgotten'
        ) as phone_number_key
    from telnyx_raw.job_operations as operations
    inner join jobs on operations.job_id = jobs.job_id
    where operations.outcome = 'successful'
),

-- Only what can end a run: successes after the first failure, and the first after the last one.
successes as (
    select
        failing.failing_number,
        min(succeeded.job_place) as job_place
    from succeeded
    inner join failing
        on
            succeeded.phone_number_key = failing.phone_number_key
            and succeeded.job_type is not distinct from failing.job_type
            and succeeded.job_place > failing.first_place
    group by
        failing.failing_number,
        case when succeeded.job_place <= failing.last_place then succeeded.job_place end
),

attempts as (
    select
        failing_number,
        job_place,
        cast(null as bigint) as success_place
    from failed_attempts
    union all
    -- a job that both failed and succeeded for a number has failed for it
    select
        successes.failing_number,
        successes.job_place,
        successes.job_place as success_place
    from successes
    left join failed_attempts
        on
            successes.failing_number = failed_attempts.failing_number
            and successes.job_place = failed_attempts.job_place
    where failed_attempts.job_place is null
),

-- The next success, if any, separates the runs of a number.
placed as (
    select
        failing_number,
        job_place,
        success_place,
        min(success_place) over (
            partition by failing_number
            order by job_place asc nulls first
            rows between current row and unbounded following
        ) as next_success_place
    from attempts
),

runs as (
    select
        failing_number,
        next_success_place,
        min(job_place) as first_place,
        max(job_place) as last_place,
        count(*) as failed_attempts
    from placed
    where success_place is null
    group by failing_number, next_success_place
),

first_failures as (
    select
        runs.failing_number,
        runs.first_place,
        max(failed_operations.phone_number_id) as phone_number_id,
        max(failed_operations.phone_number) as phone_number,
        -- nulls have no part in it; their place is named for warehouses that cannot choose it
        string_agg(distinct errors.error_code, ', ' order by errors.error_code asc nulls first)
            as error_codes
    from runs
    inner join failed_operations
        on
            runs.failing_number = failed_operations.failing_number
            and runs.first_place = failed_operations.job_place
    left join errors
        on
            failed_operations.job_id = errors.job_id
            and failed_operations.position = errors.operation_position
    group by runs.failing_number, runs.first_place
),

final as (
    select
        first_failures.phone_number_id,
        first_failures.phone_number,
        first_jobs.job_type,
        first_jobs.updated_at as first_failed_at,
        last_jobs.updated_at as last_failed_at,
        runs.failed_attempts,
        first_failures.error_codes,
        recovered_jobs.updated_at as recovered_at,
        cast(
            date_diff('microsecond', first_jobs.updated_at, recovered_jobs.updated_at) as double
        ) / 3600000000 as hours_to_recovery,
        first_jobs.job_id as first_job_id,
        recovered_jobs.job_id as recovered_job_id
    from runs
    inner join first_failures
        on
            runs.failing_number = first_failures.failing_number
            and runs.first_place = first_failures.first_place
    inner join jobs as first_jobs on runs.first_place = first_jobs.job_place
    inner join jobs as last_jobs on runs.last_place = last_jobs.job_place
    left join jobs as recovered_jobs on runs.next_success_place = recovered_jobs.job_place
)

select * from final;

comment on view telnyx.recoveries is
'One row per phone number, job type and run of failures: attempts that failed, up to the next that
succeeded. An attempt is a job that settled the number; one that both failed and succeeded for it
has failed. Ties on time break on the job id.';
comment on column telnyx.recoveries.phone_number_id is
'Id of the phone number. NULL when the API sent none.';
comment on column telnyx.recoveries.phone_number is
'Phone number in E.164, as in the first failure. NULL when the API sent none.';
comment on column telnyx.recoveries.job_type is
'What the jobs do, in the words of Telnyx. NULL when the API sent none.';
comment on column telnyx.recoveries.first_failed_at is
'updated_at of the first job of the run, UTC. NULL when it has none.';
comment on column telnyx.recoveries.last_failed_at is
'updated_at of the last job of the run, UTC. NULL when it has none.';
comment on column telnyx.recoveries.failed_attempts is
'Jobs in a row that failed for the number, at least 1. A job counts once.';
comment on column telnyx.recoveries.error_codes is
'Different error codes of the first failure, sorted, with comma and space. NULL when none.';
comment on column telnyx.recoveries.recovered_at is
'updated_at of the job that then succeeded, UTC. NULL while the number still fails.';
comment on column telnyx.recoveries.hours_to_recovery is
'Hours from first_failed_at to recovered_at. NULL while the number still fails.';
comment on column telnyx.recoveries.first_job_id is
'Id of the first job of the run.';
comment on column telnyx.recoveries.recovered_job_id is
'Id of the job that then succeeded. NULL while the number still fails.';
