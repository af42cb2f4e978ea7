-- Upper bound of a rate at 95 % confidence: what the lower bound of the others leaves. 1 when the
-- part is the whole, NULL when the whole is 0.
create or replace macro telnyx.wilson_high(part_count, whole_count) as (
    1 - telnyx.wilson_low(whole_count - part_count, whole_count)
);
