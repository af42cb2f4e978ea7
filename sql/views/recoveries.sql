-- One row per phone number, job type and run of failures.
create or replace view telnyx.recoveries as

with

-- Jobs from oldest to newest: a place that no two share settles ties on time once and for all.
jobs as (
    select
        job_id,
        job_type,
        updated_at,
        row_number() over (order by updated_at asc nulls first, job_id asc) as job_place
    from telnyx.jobs
),

failed_operations as (
    select
        job_id,
        position,
        phone_number_id,
        phone_number,
        coalesce(phone_number_id, phone_number) as phone_number_key
    from telnyx_raw.job_operations
    where outcome = 'failed'
),

errors as (
    select
        job_id,
        operation_position,
        code as error_code
    from telnyx_raw.job_operation_errors
),

failures as (
    select distinct
        failed_operations.phone_number_key,
        jobs.job_type,
        jobs.job_place
    from failed_operations
    inner join jobs on failed_operations.job_id = jobs.job_id
    where failed_operations.phone_number_key is not null
),

failing as (
    select
        phone_number_key,
        job_type,
        min(job_place) as first_place
    from failures
    group by phone_number_key, job_type
),

-- Only what can end a run: successes after the first failure, of the few numbers that failed. A job
-- that both failed and succeeded for a number has failed for it.
successes as (
    select distinct
        operations.phone_number_key,
        operations.job_type,
        operations.job_place
    from (
        select
            jobs.job_type,
            jobs.job_place,
            coalesce(successful.phone_number_id, successful.phone_number) as phone_number_key
        from telnyx_raw.job_operations as successful
        inner join jobs on successful.job_id = jobs.job_id
        where successful.outcome = 'successful'
    ) as operations
    inner join failing
        on
            operations.phone_number_key = failing.phone_number_key
            and operations.job_type is not distinct from failing.job_type
            and operations.job_place > failing.first_place
),

attempts as (
    select
        phone_number_key,
        job_type,
        job_place,
        1 as is_failed
    from failures
    union all
    select
        phone_number_key,
        job_type,
        job_place,
        0 as is_failed
    from successes
),

verdicts as (
    select
        phone_number_key,
        job_type,
        job_place,
        max(is_failed) as is_failed
    from attempts
    group by phone_number_key, job_type, job_place
),

-- The next success, if any, identifies a run.
placed as (
    select
        *,
        min(case when is_failed = 0 then job_place end) over (
            partition by phone_number_key, job_type
            order by job_place asc nulls first
            rows between current row and unbounded following
        ) as success_place
    from verdicts
),

runs as (
    select
        phone_number_key,
        success_place,
        min(job_place) as first_place,
        max(job_place) as last_place,
        count(*) as failed_attempts
    from placed
    where is_failed = 1
    group by phone_number_key, job_type, success_place
),

first_failures as (
    select
        runs.phone_number_key,
        runs.first_place,
        max(failed_operations.phone_number_id) as phone_number_id,
        max(failed_operations.phone_number) as phone_number,
        -- nulls have no part in it; their place is named for warehouses that cannot choose it
        string_agg(distinct errors.error_code, ', ' order by errors.error_code asc nulls first)
            as error_codes
    from runs
    inner join jobs on runs.first_place = jobs.job_place
    inner join failed_operations
        on
            jobs.job_id = failed_operations.job_id
            and runs.phone_number_key = failed_operations.phone_number_key
    left join errors
        on
            failed_operations.job_id = errors.job_id
            and failed_operations.position = errors.operation_position
    group by runs.phone_number_key, runs.first_place
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
            runs.phone_number_key = first_failures.phone_number_key
            and runs.first_place = first_failures.first_place
    inner join jobs as first_jobs on runs.first_place = first_jobs.job_place
    inner join jobs as last_jobs on runs.last_place = last_jobs.job_place
    left join jobs as recovered_jobs on runs.success_place = recovered_jobs.job_place
)

select * from final;

comment on view telnyx.recoveries is
'One row per phone number, job type and run of failures: attempts that failed, up to the next that
succeeded. An attempt is a job that settled the number; one that both failed and succeeded for it has
failed. Ties on time break on the job id.';
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
