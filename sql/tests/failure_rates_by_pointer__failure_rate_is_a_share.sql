-- A row counts at least 1 failure, at most the settled operations; its rate is a share, never NaN.
select
    error_pointer_pattern,
    failed_operation_count,
    settled_operation_count,
    failure_rate
from telnyx.failure_rates_by_pointer
where
    failure_rate is null
    -- NaN and infinity sort above every number
    or failure_rate not between 0 and 1
    or failed_operation_count < 1
    or failed_operation_count > settled_operation_count;
