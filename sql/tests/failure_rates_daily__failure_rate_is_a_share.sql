-- A row counts 1 to all settled operations; its rate is a share within its bounds, never NaN.
select
    day,
    job_type,
    error_code,
    error_pointer_pattern,
    failed_operation_count,
    settled_operation_count,
    failure_rate,
    failure_rate_low,
    failure_rate_high
from telnyx.failure_rates_daily
where
    failure_rate is null
    -- NaN and infinity sort above every number
    or failure_rate not between 0 and 1
    or failure_rate not between failure_rate_low and failure_rate_high
    or failure_rate_low < 0
    or failure_rate_high > 1
    or failed_operation_count < 1
    or failed_operation_count > settled_operation_count;
