-- Each row of new_failures is, figure by figure, one of failure_rates_by_error_code_and_pointer.
select
    new_failures.error_code,
    new_failures.error_pointer_pattern,
    new_failures.failed_operation_count
from telnyx.new_failures
left join telnyx.failure_rates_by_error_code_and_pointer as failures
    on
        new_failures.error_code is not distinct from failures.error_code
        and new_failures.error_pointer_pattern is not distinct from failures.error_pointer_pattern
        and new_failures.failed_operation_count = failures.failed_operation_count
        and new_failures.first_failed_at = failures.first_failed_at
where failures.failed_operation_count is null;
