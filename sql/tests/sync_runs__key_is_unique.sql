-- The key of telnyx_raw.sync_runs is unique and not null.
select
    run_id,
    count(*) as row_count
from telnyx_raw.sync_runs
group by run_id
having
    count(*) > 1
    or run_id is null;
