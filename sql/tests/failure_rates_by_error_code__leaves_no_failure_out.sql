-- Every failed operation counts once for each of its codes, and once where it has none.
with

expected as (
    select count(*) as failed_operation_count
    from (
        select distinct
            operations.job_id,
            operations.position,
            errors.code
        from telnyx_raw.job_operations as operations
        left join telnyx_raw.job_operation_errors as errors
            on
                operations.job_id = errors.job_id
                and operations.position = errors.operation_position
        where operations.outcome = 'failed'
    ) as failures
),

actual as (
    select coalesce(sum(failed_operation_count), 0) as failed_operation_count
    from telnyx.failure_rates_by_error_code
)

select
    expected.failed_operation_count as expected_count,
    actual.failed_operation_count as actual_count
from expected
cross join actual
where expected.failed_operation_count <> actual.failed_operation_count;
