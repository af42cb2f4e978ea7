"""Accounts whose failure rates change."""

from support.syncs import Jobs, Json, error, failure, job, numbers

_WEEK = 7 * 24


def rising(code: str, pointer: str, *, recent: int = 40) -> Jobs:
    """Two jobs of 100 operations, two weeks apart: 2 of the first fail, `recent` of the second."""
    return Jobs([_job(2, 2, code, pointer), _job(2 * _WEEK, recent, code, pointer)])


def _job(hours: int, failed: int, code: str, pointer: str) -> Json:
    return job(
        hours,
        failed_operations=[failure(n, error(code, pointer)) for n in range(failed)],
        successful_operations=numbers(*range(failed, 100)),
    )
