-- A type's failure rate is a share within its bounds, never NaN; all are NULL without operations.
select
    job_type,
    failed_operation_count,
    settled_operation_count,
    failure_rate,
    failure_rate_low,
    failure_rate_high
from telnyx.failure_rates_by_job_type
where
    -- NaN and infinity sort above every number
    failure_rate not between 0 and 1
    or failure_rate not between failure_rate_low and failure_rate_high
    or failure_rate_low < 0
    or failure_rate_high > 1
    or (failure_rate is null) <> (settled_operation_count = 0)
    or (failure_rate_low is null) <> (settled_operation_count = 0)
    or (failure_rate_high is null) <> (settled_operation_count = 0);
