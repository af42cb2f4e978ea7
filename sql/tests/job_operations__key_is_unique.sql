-- The key of telnyx_raw.job_operations is unique and not null: in each job and outcome, the
-- positions count from 0 on, each once. Sums prove that without a hash table of every row.
select
    job_id,
    outcome,
    count(*) as row_count,
    max(position) as last_position
from telnyx_raw.job_operations
group by job_id, outcome
having
    job_id is null
    or outcome is null
    or count(position) <> count(*)
    or min(position) <> 0
    or max(position) <> count(*) - 1
    or 2 * sum(position) <> count(*) * (count(*) - 1)
    or 6 * sum(position * position) <> count(*) * (count(*) - 1) * (2 * count(*) - 1);
