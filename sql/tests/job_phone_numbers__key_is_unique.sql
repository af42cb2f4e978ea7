-- The key of telnyx_raw.job_phone_numbers is unique and not null.
select
    job_id,
    position,
    count(*) as row_count
from telnyx_raw.job_phone_numbers
group by job_id, position
having
    count(*) > 1
    or job_id is null
    or position is null;
