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
-- cannot be followed from job to job, and the joins below drop it. Two of the same table, because
-- what is kept of a million rows for later must be narrow.
settled_operations as (
    select
        job_id,
        outcome,
        nullif(coalesce(phone_number_id, phone_number), 'forgotten') as phone_number_key
    from telnyx_raw.job_operations
    where outcome in ('successful', 'failed')
),

failed_operations as (
    select
        job_id,
        position,
        phone_number_id,
        phone_number,
        nullif(coalesce(phone_number_id, phone_number), 'forgotten') as phone_number_key
    from telnyx_raw.job_operations
    where outcome = 'failed'
),

errors as (
    select
        job_id,
        operation_position,
        code as error_code,
        source_pointer as error_pointer
    from telnyx_raw.job_operation_errors
),

-- The numbers to list, found in one pass, so that the rest looks at these few alone. A job that
-- both failed and succeeded for a number has failed for it, hence "not before".
failing as (
    select
        settled_operations.phone_number_key,
        jobs.job_type
    from settled_operations
    inner join jobs on settled_operations.job_id = jobs.job_id
    where settled_operations.phone_number_key is not null
    group by settled_operations.phone_number_key, jobs.job_type
    having
        max(case when settled_operations.outcome = 'failed' then jobs.job_place end)
        >= max(case when settled_operations.outcome = 'successful' then jobs.job_place else 0 end)
),

-- One verdict per job.
verdicts as (
    select
        settled_operations.phone_number_key,
        jobs.job_type,
        jobs.job_place,
        max(case when settled_operations.outcome = 'failed' then 1 else 0 end) as has_failed
    from settled_operations
    inner join jobs on settled_operations.job_id = jobs.job_id
    inner join failing
        on
            settled_operations.phone_number_key = failing.phone_number_key
            and jobs.job_type is not distinct from failing.job_type
    group by settled_operations.phone_number_key, jobs.job_type, jobs.job_place
),

successes as (
    select
        *,
        max(case when has_failed = 0 then job_place else 0 end) over (
            partition by phone_number_key, job_type
        ) as last_success_place
    from verdicts
),

-- What failed since the last success.
streaks as (
    select
        phone_number_key,
        max(job_place) as last_job_place,
        count(*) as consecutive_failures
    from successes
    where job_place > last_success_place
    group by phone_number_key, job_type
),

-- The newest job of each streak: its failed operations on the number, and their errors, if any.
final as (
    select
        max(failed_operations.phone_number_id) as phone_number_id,
        max(failed_operations.phone_number) as phone_number,
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
    inner join failed_operations
        on
            jobs.job_id = failed_operations.job_id
            and streaks.phone_number_key = failed_operations.phone_number_key
    left join errors
        on
            failed_operations.job_id = errors.job_id
            and failed_operations.position = errors.operation_position
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
