-- The job types add up to every failed and every settled operation.
with

expected as (
    select
        coalesce(sum(case when outcome = 'failed' then 1 else 0 end), 0) as failed_operation_count,
        count(*) as settled_operation_count
    from telnyx_raw.job_operations
    where outcome in ('successful', 'failed')
),

actual as (
    select
        coalesce(sum(failed_operation_count), 0) as failed_operation_count,
        coalesce(sum(settled_operation_count), 0) as settled_operation_count
    from telnyx.failure_rates_by_job_type
)

select
    expected.failed_operation_count as expected_failed_count,
    actual.failed_operation_count as actual_failed_count,
    expected.settled_operation_count as expected_settled_count,
    actual.settled_operation_count as actual_settled_count
from expected
cross join actual
where
    expected.failed_operation_count <> actual.failed_operation_count
    or expected.settled_operation_count <> actual.settled_operation_count;
