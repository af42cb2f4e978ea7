-- The share of one count in another, 0 to 1. NULL, never NaN, when the other is 0.
create or replace macro telnyx.rate(part_count, whole_count) as (
    cast(part_count as double) / nullif(whole_count, 0)
);
