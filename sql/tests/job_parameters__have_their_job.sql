-- Every row of telnyx_raw.job_parameters belongs to a job.
select
    children.job_id,
    children.row_count
from (
    select
        job_id,
        count(*) as row_count
    from telnyx_raw.job_parameters
    group by job_id
) as children
left join telnyx_raw.jobs on children.job_id = jobs.id
where jobs.id is null;
