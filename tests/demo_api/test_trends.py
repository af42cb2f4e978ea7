"""How the demo account's failures move: week against weeks before, and from failure to recovery."""

import re
from collections import Counter
from datetime import datetime, timedelta
from math import sqrt
from statistics import NormalDist, median
from typing import Any

import pytest

from support.demo_account import ACCOUNT, NOW
from telnyx_jobs.demo_api import Account

Json = dict[str, Any]
INSTANTS = [NOW + step * timedelta(days=17, hours=5, minutes=41, seconds=13) for step in range(24)]


def changes(jobs: list[Json]) -> set[str]:
    """How pairs of code and pointer changed: the newest 7 days against the 28 before."""
    newest = max(datetime.fromisoformat(job["updated_at"]) for job in jobs)
    failed: tuple[Counter[Any], Counter[Any]] = Counter(), Counter()
    settled = [0, 0]
    for job in jobs:
        age = newest - datetime.fromisoformat(job["updated_at"])
        if age >= timedelta(days=35):
            continue
        is_earlier = age >= timedelta(days=7)
        settled[is_earlier] += len(job["successful_operations"]) + len(job["failed_operations"])
        for operation in job["failed_operations"]:
            failed[is_earlier].update({_pair(error) for error in operation["errors"]})
    return {
        _change(failed[0][pair], settled[0], failed[1][pair], settled[1])
        for pair in failed[0] | failed[1]
    }


def _pair(error: Json) -> tuple[str | None, str]:
    pointer = error.get("source", {}).get("pointer", "")
    return error.get("code"), re.sub("/[0-9]+", "/*", pointer)


def _change(recent: int, recent_settled: int, earlier: int, earlier_settled: int) -> str:
    if not (recent and earlier):
        return "gone" if earlier else "new"
    low, high = _interval(recent, recent_settled)
    low_before, high_before = _interval(earlier, earlier_settled)
    if low > high_before:
        return "rising"
    return "falling" if high < low_before else "steady"


def _interval(failed: int, settled: int) -> tuple[float, float]:
    """Wilson's interval at 95 %."""
    z, rate = NormalDist().inv_cdf(0.975), failed / settled
    half = z * sqrt(rate * (1 - rate) / settled + (z / (2 * settled)) ** 2)
    middle, scale = rate + z**2 / (2 * settled), 1 + z**2 / settled
    return (middle - half) / scale, (middle + half) / scale


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_failures_rise_fall_come_and_go(instant: datetime) -> None:
    """At any instant some kind of failure is new, gone, rising, falling and steady."""
    assert changes(ACCOUNT.jobs(instant)) == {"new", "gone", "rising", "falling", "steady"}


def attempts(job_type: str) -> dict[str, list[bool]]:
    """For each number that this type of job ever failed, its attempts in order: who succeeded."""
    found: dict[str, list[bool]] = {}
    for job in reversed(Account().jobs(NOW)):
        if job["type"] == job_type and job["status"] != "in_progress":
            for outcome in ("successful_operations", "failed_operations"):
                for operation in job[outcome]:
                    is_success = outcome == "successful_operations"
                    found.setdefault(operation["id"], []).append(is_success)
    return {number: tried for number, tried in found.items() if not all(tried)}


@pytest.mark.parametrize("job_type", ["update_phone_numbers", "update_emergency_settings"])
def test_numbers_fail_and_recover(job_type: str) -> None:
    """Most numbers that fail succeed in a later job, some only after several, some never."""
    until_success = [
        next((place for place, won in enumerate(after) if won), None)
        for tried in attempts(job_type).values()
        if (after := tried[tried.index(False) + 1 :])
    ]
    recovered = [place for place in until_success if place is not None]

    assert 0.8 < len(recovered) / len(until_success) < 1
    assert median(recovered) == 0
    assert max(recovered) >= 3


def test_a_failed_campaign_is_retried_within_days() -> None:
    """Small jobs are sent for just the numbers that a campaign of the days before failed."""
    jobs = Account().jobs(NOW)
    failures = {
        frozenset(operation["id"] for operation in job["failed_operations"]): job
        for job in jobs
        if len(job["failed_operations"]) > 3
    }
    delays = [
        datetime.fromisoformat(job["created_at"]) - datetime.fromisoformat(earlier["updated_at"])
        for job in jobs
        if (earlier := failures.get(frozenset(_ids(job)))) and earlier is not job
    ]

    assert len(delays) > 30
    assert timedelta() < min(delays)
    assert max(delays) < timedelta(days=3)


def _ids(job: Json) -> set[str]:
    """The numbers of a finished job."""
    outcomes = ("successful_operations", "failed_operations")
    return {operation["id"] for outcome in outcomes for operation in job[outcome]}
