-- One row per phone number asked for that no operation answers, in a job no longer open.
create or replace view telnyx.unaccounted_phone_numbers as

with

asked as (
    select
        job_id,
        position,
        phone_number_id,
        phone_number
    from telnyx.job_phone_numbers
),

operations as (
    select
        job_id,
        phone_number_id,
        phone_number
    from telnyx_raw.job_operations
),

closed_jobs as (
    select
        job_id,
        job_type,
        status
    from telnyx.jobs
    where not is_open
),

-- Two tests rather than one with "or": each is then a plain join on equal keys.
final as (
    select
        asked.job_id,
        asked.position,
        asked.phone_number_id,
        asked.phone_number,
        closed_jobs.job_type,
        closed_jobs.status
    from asked
    inner join closed_jobs on asked.job_id = closed_jobs.job_id
    where
        not exists (
            select 1
            from operations
            where
                operations.job_id = asked.job_id
                and operations.phone_number_id = asked.phone_number_id
        )
        and not exists (
            select 1
            from operations
            where
                operations.job_id = asked.job_id
                and operations.phone_number = asked.phone_number
        )
)

select * from final;

comment on view telnyx.unaccounted_phone_numbers is
'One row per phone number asked for that no operation answers, in a job no longer open.';
comment on column telnyx.unaccounted_phone_numbers.job_id is
'Id of the job.';
comment on column telnyx.unaccounted_phone_numbers.position is
'Place among the numbers asked for, from 0, in the order of the API.';
comment on column telnyx.unaccounted_phone_numbers.phone_number_id is
'Id asked for; no operation of the job has it. NULL when asked by number.';
comment on column telnyx.unaccounted_phone_numbers.phone_number is
'Number asked for, in E.164; no operation of the job has it. NULL when asked by id.';
comment on column telnyx.unaccounted_phone_numbers.job_type is
'What the job does, in the words of Telnyx. NULL when the API sent none.';
comment on column telnyx.unaccounted_phone_numbers.status is
'Status of the job: completed, failed or expired.';
