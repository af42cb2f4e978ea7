-- One row per phone number asked for that no operation answers, in a job no longer open.
create or replace view telnyx.unaccounted_phone_numbers as

with

-- A number for each job, since the joins below are on millions of rows and text is slow to compare.
closed_jobs as (
    select
        job_id,
        job_type,
        status,
        row_number() over (order by job_id asc) as job_number
    from telnyx.jobs
    where not is_open
),

asked as (
    select
        asked.job_id,
        asked.position,
        asked.phone_number_id,
        asked.phone_number,
        closed_jobs.job_type,
        closed_jobs.status,
        closed_jobs.job_number
    from telnyx_raw.job_phone_numbers as asked
    inner join closed_jobs on asked.job_id = closed_jobs.job_id
),

operations as (
    select
        operations.phone_number_id,
        operations.phone_number,
        closed_jobs.job_number
    from telnyx_raw.job_operations as operations
    inner join closed_jobs on operations.job_id = closed_jobs.job_id
),

-- Two tests rather than one with "or": each is then a plain join on equal keys.
final as (
    select
        asked.job_id,
        asked.position,
        asked.phone_number_id,
        asked.phone_number,
        asked.job_type,
        asked.status
    from asked
    where
        not exists (
            select 1
            from operations
            where
                operations.job_number = asked.job_number
                and operations.phone_number_id = asked.phone_number_id
        )
        and not exists (
            select 1
            from operations
            where
                operations.job_number = asked.job_number
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
