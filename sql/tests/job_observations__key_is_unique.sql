-- The key of telnyx_raw.job_observations is unique and not null.
select
    job_id,
    observed_at,
    count(*) as row_count
from telnyx_raw.job_observations
group by job_id, observed_at
having
    count(*) > 1
    or job_id is null
    or observed_at is null;
