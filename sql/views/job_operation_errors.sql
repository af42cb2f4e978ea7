-- One row per error of a failed operation.
create or replace view telnyx.job_operation_errors as

with

errors as (
    select
        job_id,
        operation_position,
        position as error_position,
        code as error_code,
        title as error_title,
        detail as error_detail,
        source_pointer as error_pointer,
        source_parameter as error_parameter,
        meta_url as error_url
    from telnyx_raw.job_operation_errors
),

failed_operations as (
    select
        job_id,
        position as operation_position,
        phone_number_id,
        phone_number
    from telnyx_raw.job_operations
    where outcome = 'failed'
),

jobs as (
    select
        id as job_id,
        type as job_type,
        created_at as job_created_at,
        updated_at as job_updated_at
    from telnyx_raw.jobs
),

parameters as (
    select
        job_id,
        pointer,
        value
    from telnyx_raw.job_parameters
),

pointers as (
    select
        error_pointer,
        error_pointer_pattern
    from telnyx.error_pointers
),

final as (
    select
        errors.job_id,
        errors.operation_position,
        errors.error_position,
        failed_operations.phone_number_id,
        failed_operations.phone_number,
        jobs.job_type,
        jobs.job_created_at,
        jobs.job_updated_at,
        errors.error_code,
        errors.error_title,
        errors.error_detail,
        errors.error_pointer,
        pointers.error_pointer_pattern,
        errors.error_parameter,
        errors.error_url,
        parameters.value as sent_value
    from errors
    left join failed_operations
        on
            errors.job_id = failed_operations.job_id
            and errors.operation_position = failed_operations.operation_position
    left join jobs on errors.job_id = jobs.job_id
    left join pointers on errors.error_pointer = pointers.error_pointer
    left join parameters
        on
            errors.job_id = parameters.job_id
            and errors.error_pointer = parameters.pointer
)

select * from final;

comment on view telnyx.job_operation_errors is
'One row per error of a failed operation. A failed operation without any error has no row here.';
comment on column telnyx.job_operation_errors.job_id is
'Id of the job.';
comment on column telnyx.job_operation_errors.operation_position is
'Place of the operation among the failed ones of its job, from 0.';
comment on column telnyx.job_operation_errors.error_position is
'Place of the error among those of its operation, from 0.';
comment on column telnyx.job_operation_errors.phone_number_id is
'Id of the phone number that failed. NULL when the API sent none.';
comment on column telnyx.job_operation_errors.phone_number is
'Phone number that failed, in E.164. NULL when the API sent none.';
comment on column telnyx.job_operation_errors.job_type is
'What the job does, in the words of Telnyx.';
comment on column telnyx.job_operation_errors.job_created_at is
'When the job was created, UTC.';
comment on column telnyx.job_operation_errors.job_updated_at is
'When Telnyx last changed the job, UTC: the time of the error, too.';
comment on column telnyx.job_operation_errors.error_code is
'Code of the error, such as 10015; text. NULL when the API sent none.';
comment on column telnyx.job_operation_errors.error_title is
'Short text of the error. NULL when the API sent none.';
comment on column telnyx.job_operation_errors.error_detail is
'Long text of the error. NULL when the API sent none.';
comment on column telnyx.job_operation_errors.error_pointer is
'JSON pointer to the field at fault, as sent. NULL when the API sent none.';
comment on column telnyx.job_operation_errors.error_pointer_pattern is
'The pointer with each array index replaced by *, so that one fault is one text. NULL without one.';
comment on column telnyx.job_operation_errors.error_parameter is
'Query parameter at fault. NULL when the API sent none.';
comment on column telnyx.job_operation_errors.error_url is
'Page of Telnyx on the error. NULL when the API sent none.';
comment on column telnyx.job_operation_errors.sent_value is
'What the job''s parameters hold at error_pointer, as in job_parameters: the value at fault. NULL
when they hold none.';
