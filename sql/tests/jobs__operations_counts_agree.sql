-- A job has as many rows of operations per outcome as it counts; none where the API sent no array.
with

children as (
    select
        job_id,
        sum(case when outcome = 'successful' then 1 else 0 end) as successful_rows,
        sum(case when outcome = 'pending' then 1 else 0 end) as pending_rows,
        sum(case when outcome = 'failed' then 1 else 0 end) as failed_rows
    from telnyx_raw.job_operations
    group by job_id
)

select
    jobs.id,
    jobs.successful_operations_count,
    children.successful_rows,
    jobs.pending_operations_count,
    children.pending_rows,
    jobs.failed_operations_count,
    children.failed_rows
from telnyx_raw.jobs
left join children on jobs.id = children.job_id
where
    coalesce(jobs.successful_operations_count, 0) <> coalesce(children.successful_rows, 0)
    or coalesce(jobs.pending_operations_count, 0) <> coalesce(children.pending_rows, 0)
    or coalesce(jobs.failed_operations_count, 0) <> coalesce(children.failed_rows, 0);
