-- The key of telnyx_raw.job_operations is unique and not null.
select
    job_id,
    outcome,
    position,
    count(*) as row_count
from telnyx_raw.job_operations
group by job_id, outcome, position
having
    count(*) > 1
    or job_id is null
    or outcome is null
    or position is null;
