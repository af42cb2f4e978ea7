-- One row per customer reference, NULL for jobs without one: an example to begin with.
with

jobs as (
    select
        customer_reference,
        failed_count,
        settled_count
    from {{ source('telnyx', 'jobs') }}
    where settled_count > 0
),

final as (
    select
        customer_reference,
        count(*) as job_count,
        sum(failed_count) as failed_operation_count,
        sum(settled_count) as settled_operation_count,
        cast(sum(failed_count) as {{ dbt.type_float() }}) / sum(settled_count) as failure_rate
    from jobs
    group by customer_reference
)

select * from final
