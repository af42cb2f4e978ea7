-- The key of telnyx_raw.rejected_records is unique and not null.
select
    record_hash,
    count(*) as row_count
from telnyx_raw.rejected_records
group by record_hash
having
    count(*) > 1
    or record_hash is null;
