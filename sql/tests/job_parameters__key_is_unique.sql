-- The key of telnyx_raw.job_parameters is unique and not null, and each row has a value.
select
    job_id,
    pointer,
    count(*) as row_count
from telnyx_raw.job_parameters
group by job_id, pointer
having
    count(*) > 1
    or job_id is null
    or pointer is null
    or count(value) = 0;
