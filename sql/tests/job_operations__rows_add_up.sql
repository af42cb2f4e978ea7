-- There are as many operations as the jobs count. A sync of few jobs tests only these, and the
-- totals: so this one reads no more than the jobs.
with

expected as (
    select
        coalesce(sum(
            coalesce(successful_operations_count, 0)
            + coalesce(pending_operations_count, 0)
            + coalesce(failed_operations_count, 0)
        ), 0) as row_count
    from telnyx_raw.jobs
),

actual as (
    select count(*) as row_count
    from telnyx_raw.job_operations
)

select
    expected.row_count as expected_count,
    actual.row_count as actual_count
from expected
cross join actual
where expected.row_count <> actual.row_count;
