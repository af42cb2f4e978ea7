-- A job's failure rate lies within 0 and 1, never NaN, and is NULL only when nothing settled.
select
    job_id,
    failed_count,
    settled_count,
    failure_rate
from telnyx.jobs
where
    -- NaN and infinity sort above every number
    failure_rate not between 0 and 1
    or (failure_rate is null) <> (settled_count = 0);
