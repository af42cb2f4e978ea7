-- The view has as many rows as the raw table: no join loses an error or repeats it.
with

expected as (
    select count(*) as row_count
    from telnyx_raw.job_operation_errors
),

actual as (
    select count(*) as row_count
    from telnyx.job_operation_errors
)

select
    expected.row_count as expected_count,
    actual.row_count as actual_count
from expected
cross join actual
where expected.row_count <> actual.row_count;
