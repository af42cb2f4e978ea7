-- Lower bound of a rate at 95 % confidence, 0 to 1: the Wilson score interval, in the form where
-- nothing cancels, so that no failure gives 0 exactly. NULL when the whole is 0.
-- 3.84… is the square of 1.96, the normal distribution's quantile for 95 %.
create or replace macro telnyx.wilson_low(part_count, whole_count) as (
    2 * telnyx.rate(part_count, whole_count) * part_count
    / (
        2 * part_count
        + 3.841458820694124
        + sqrt(
            3.841458820694124
            * (
                3.841458820694124
                + 4 * telnyx.rate(part_count, whole_count) * (whole_count - part_count)
            )
        )
    )
);
