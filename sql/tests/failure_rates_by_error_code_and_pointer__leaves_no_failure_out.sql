-- The rows together count every failed operation at least once.
with

expected as (
    select count(*) as failed_operation_count
    from telnyx_raw.job_operations
    where outcome = 'failed'
),

actual as (
    select coalesce(sum(failed_operation_count), 0) as failed_operation_count
    from telnyx.failure_rates_by_error_code_and_pointer
)

select
    expected.failed_operation_count as expected_count,
    actual.failed_operation_count as actual_count
from expected
cross join actual
where expected.failed_operation_count > actual.failed_operation_count;
