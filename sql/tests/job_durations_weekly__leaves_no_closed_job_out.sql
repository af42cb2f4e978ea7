-- The weeks and job types add up to every closed job.
with

expected as (
    select count(*) as job_count
    from telnyx.jobs
    where not is_open
),

actual as (
    select coalesce(sum(job_count), 0) as job_count
    from telnyx.job_durations_weekly
)

select
    expected.job_count as expected_count,
    actual.job_count as actual_count
from expected
cross join actual
where expected.job_count <> actual.job_count;
