-- One row per phone number and job type whose newest settled operation failed.
create or replace view telnyx.failing_phone_numbers as

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

-- A number is identified by its id, or by its number if the API sent no id; without either it
-- cannot be followed from job to job, and the joins below drop it.
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

successes as (
    select
        jobs.job_type,
        jobs.job_place,
        nullif(coalesce(operations.phone_number_id, operations.phone_number), 'forgotten')
            as phone_number_key
    from telnyx_raw.job_operations as operations
    inner join jobs on operations.job_id = jobs.job_id
    where operations.outcome = 'successful'
),

errors as (
    select
        job_id,
        operation_position,
        code as error_code,
        source_pointer as error_pointer
    from telnyx_raw.job_operation_errors
),

-- Few numbers ever fail: from here on, the many that only succeed are probed, not sorted.
newest_failures as (
    select
        phone_number_key,
        job_type,
        max(job_place) as last_job_place
    from failures
    where phone_number_key is not null
    group by phone_number_key, job_type
),

recovered as (
    select distinct
        newest_failures.phone_number_key,
        newest_failures.job_type
    from newest_failures
    inner join successes
        on
            newest_failures.phone_number_key = successes.phone_number_key
            and newest_failures.job_type is not distinct from successes.job_type
            and newest_failures.last_job_place < successes.job_place
),

-- The numbers to list, so that the rest looks at these few alone.
failing as (
    select
        newest_failures.phone_number_key,
        newest_failures.job_type,
        newest_failures.last_job_place
    from newest_failures
    left join recovered
        on
            newest_failures.phone_number_key = recovered.phone_number_key
            and newest_failures.job_type is not distinct from recovered.job_type
    where recovered.phone_number_key is null
),

attempts as (
    select
        failing.phone_number_key,
        failing.last_job_place,
        failures.job_place,
        1 as has_failed
    from failing
    inner join failures
        on
            failing.phone_number_key = failures.phone_number_key
            and failing.job_type is not distinct from failures.job_type
    union all
    select
        failing.phone_number_key,
        failing.last_job_place,
        successes.job_place,
        0 as has_failed
    from failing
    inner join successes
        on
            failing.phone_number_key = successes.phone_number_key
            and failing.job_type is not distinct from successes.job_type
),

-- One verdict per job: one that both failed and succeeded for a number has failed for it. The
-- newest job stands for its type.
verdicts as (
    select
        phone_number_key,
        last_job_place,
        job_place,
        max(has_failed) as has_failed
    from attempts
    group by phone_number_key, last_job_place, job_place
),

placed as (
    select
        *,
        max(case when has_failed = 0 then job_place else 0 end) over (
            partition by phone_number_key, last_job_place
        ) as last_success_place
    from verdicts
),

-- What failed since the last success.
streaks as (
    select
        phone_number_key,
        last_job_place,
        count(*) as consecutive_failures
    from placed
    where job_place > last_success_place
    group by phone_number_key, last_job_place
),

-- The newest job of each streak: its failed operations on the number, and their errors, if any.
final as (
    select
        max(failures.phone_number_id) as phone_number_id,
        max(failures.phone_number) as phone_number,
        jobs.job_type,
        jobs.job_id as last_job_id,
        jobs.updated_at as last_failed_at,
        streaks.consecutive_failures,
        -- nulls have no part in it; their place is named for warehouses that cannot choose it
        string_agg(distinct errors.error_code, ', ' order by errors.error_code asc nulls first)
            as error_codes,
        string_agg(
            distinct errors.error_pointer, ', ' order by errors.error_pointer asc nulls first
        ) as error_pointers
    from streaks
    inner join jobs on streaks.last_job_place = jobs.job_place
    inner join failures
        on
            streaks.last_job_place = failures.job_place
            and streaks.phone_number_key = failures.phone_number_key
    left join errors
        on
            failures.job_id = errors.job_id
            and failures.position = errors.operation_position
    group by
        streaks.phone_number_key,
        streaks.consecutive_failures,
        jobs.job_id,
        jobs.job_type,
        jobs.updated_at
)

select * from final;

comment on view telnyx.failing_phone_numbers is
'One row per phone number and job type whose newest settled operation failed.';
comment on column telnyx.failing_phone_numbers.phone_number_id is
'Id of the phone number. NULL when the API sent none.';
comment on column telnyx.failing_phone_numbers.phone_number is
'Phone number in E.164, as in the newest job. NULL when the API sent none.';
comment on column telnyx.failing_phone_numbers.job_type is
'What the jobs do, in the words of Telnyx. NULL when the API sent none.';
comment on column telnyx.failing_phone_numbers.last_job_id is
'Id of the newest job of that type that settled the number; ties on time break on the job id.';
comment on column telnyx.failing_phone_numbers.last_failed_at is
'When Telnyx last changed that job, UTC. NULL when it has no updated_at.';
comment on column telnyx.failing_phone_numbers.consecutive_failures is
'Newest jobs in a row that failed for the number, at least 1. A job counts once.';
comment on column telnyx.failing_phone_numbers.error_codes is
'Different error codes of the number in that job, sorted, with comma and space. NULL when none.';
comment on column telnyx.failing_phone_numbers.error_pointers is
'Different error pointers of the number in that job, as sent, sorted. NULL when none.';
