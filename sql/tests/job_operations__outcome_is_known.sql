-- Every row of telnyx_raw.job_operations is successful, pending or failed.
select
    job_id,
    outcome,
    position
from telnyx_raw.job_operations
where coalesce(outcome, '') not in ('successful', 'pending', 'failed');
