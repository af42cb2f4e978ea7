-- The key of telnyx_raw.job_operation_errors is unique and not null.
select
    job_id,
    operation_position,
    position,
    count(*) as row_count
from telnyx_raw.job_operation_errors
group by job_id, operation_position, position
having
    count(*) > 1
    or job_id is null
    or operation_position is null
    or position is null;
