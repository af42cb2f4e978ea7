-- The key of telnyx_raw.jobs is unique and not null.
select
    id,
    count(*) as row_count
from telnyx_raw.jobs
group by id
having
    count(*) > 1
    or id is null;
