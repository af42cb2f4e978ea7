-- The key of telnyx_raw.job_phone_numbers is unique and not null: in each job, the positions
-- count from 0 on, each once. Sums prove that without a hash table of every row.
select
    job_id,
    count(*) as row_count,
    max(position) as last_position
from telnyx_raw.job_phone_numbers
group by job_id
having
    job_id is null
    or count(position) <> count(*)
    or min(position) <> 0
    or max(position) <> count(*) - 1
    or 2 * sum(position) <> count(*) * (count(*) - 1)
    or 6 * sum(position * position) <> count(*) * (count(*) - 1) * (2 * count(*) - 1);
