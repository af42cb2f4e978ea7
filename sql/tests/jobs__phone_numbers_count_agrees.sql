-- A job has as many rows of phone numbers as it counts; none where the API sent no array.
with

children as (
    select
        job_id,
        count(*) as row_count
    from telnyx_raw.job_phone_numbers
    group by job_id
)

select
    jobs.id,
    jobs.phone_numbers_count,
    children.row_count
from telnyx_raw.jobs
left join children on jobs.id = children.job_id
where coalesce(jobs.phone_numbers_count, 0) <> coalesce(children.row_count, 0);
