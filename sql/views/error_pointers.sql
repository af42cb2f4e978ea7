-- One row per JSON pointer that an error names.
create or replace view telnyx.error_pointers as

with

pointers as (
    select
        source_pointer as error_pointer,
        count(*) as error_count
    from telnyx_raw.job_operation_errors
    where source_pointer is not null
    group by source_pointer
),

-- Doubled slashes give every token a pair of its own (a/0/1 becomes /a//0//1/), so that
-- neighbouring indexes are both found in one pass; regular expressions here cannot look ahead.
starred as (
    select
        *,
        regexp_replace(
            '/' || replace(error_pointer, '/', '//') || '/',
            '/(0|[1-9][0-9]*)/',
            '/*/',
            'g'
        ) as starred_pointer
    from pointers
),

-- Back again: drop the outer slashes, halve the inner ones.
final as (
    select
        error_pointer,
        replace(
            substr(starred_pointer, 2, length(starred_pointer) - 2), '//', '/'
        ) as error_pointer_pattern,
        error_count
    from starred
)

select * from final;

comment on view telnyx.error_pointers is
'One row per JSON pointer that an error names, with the pattern that it belongs to.';
comment on column telnyx.error_pointers.error_pointer is
'JSON pointer to the field at fault, as sent.';
comment on column telnyx.error_pointers.error_pointer_pattern is
'The pointer with each array index replaced by *, so that one fault is one text.';
comment on column telnyx.error_pointers.error_count is
'Errors that name this pointer.';
