-- Every row of telnyx_raw.job_operation_errors belongs to a failed operation.
with

failed_operations as (
    select
        job_id,
        position
    from telnyx_raw.job_operations
    where outcome = 'failed'
)

select
    errors.job_id,
    errors.operation_position,
    errors.position
from telnyx_raw.job_operation_errors as errors
left join failed_operations
    on
        errors.job_id = failed_operations.job_id
        and errors.operation_position = failed_operations.position
where failed_operations.job_id is null;
