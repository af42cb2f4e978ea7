"""The account that the demo API shows: its jobs, their numbers, and how they move."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from support.demo_account import ACCOUNT, NOW, SCHEMA, python_process
from telnyx_jobs.demo_api import Account

Json = dict[str, Any]
# irregular steps over more than a year, so every phase of the account occurs
INSTANTS = [NOW + step * timedelta(days=17, hours=5, minutes=41, seconds=13) for step in range(24)]
OUTCOMES = ("successful_operations", "pending_operations", "failed_operations")


def _is_open(job: Mapping[str, Any]) -> bool:
    return job["status"] in ("pending", "in_progress")


def _answers(job: Json, asked: Json) -> int:
    """How many operations answer a number asked for."""
    ((key, value),) = asked.items()
    return sum(operation[key] == value for outcome in OUTCOMES for operation in job[outcome])


def _faults(jobs: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Each error, with its job."""
    for job in jobs:
        for operation in job["failed_operations"]:
            for error in operation["errors"]:
                yield job, error


# the account


def test_two_processes_show_the_same_account() -> None:
    """Another process draws exactly the account that this one draws."""
    program = (
        "import json, datetime; from telnyx_jobs.demo_api import Account;"
        f"now = datetime.datetime.fromisoformat('{NOW.isoformat()}');"
        "print(json.dumps(Account().jobs(now)))"
    )
    with python_process(program) as process:
        printed, _ = process.communicate()

    assert json.loads(printed) == Account().jobs(NOW)


def test_another_seed_is_another_account() -> None:
    """No job and no phone number id is shared between two seeds."""
    one, other = ACCOUNT.jobs(NOW), Account(seed=1).jobs(NOW)

    assert {job["id"] for job in one}.isdisjoint(job["id"] for job in other)
    assert {op["id"] for job in one for op in job["successful_operations"]}.isdisjoint(
        op["id"] for job in other for op in job["successful_operations"]
    )


def test_history_does_not_depend_on_what_was_asked_before() -> None:
    """An account that showed a later instant first shows an earlier one as a new account does."""
    account = Account()
    for instant in reversed(INSTANTS):
        account.jobs(instant)

    assert account.jobs(NOW) == Account().jobs(NOW)


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_the_account_always_shows_every_kind_of_job(instant: datetime) -> None:
    """All types, all statuses, the largest size and the smallest exist at any instant."""
    jobs = ACCOUNT.jobs(instant)
    sizes = Counter(len(job["phone_numbers"]) for job in jobs)

    assert {job["type"] for job in jobs} == {
        "update_emergency_settings",
        "delete_phone_numbers",
        "update_phone_numbers",
    }
    assert {job["status"] for job in jobs} == {
        "pending",
        "in_progress",
        "completed",
        "failed",
        "expired",
    }
    assert (min(sizes), max(sizes)) == (1, 1_000)
    assert sizes[1_000] >= 2


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_jobs_are_newest_first_and_no_older_than_90_days(instant: datetime) -> None:
    """Creation times fall strictly, from at most `now` to above `now` less 90 days."""
    created = [datetime.fromisoformat(job["created_at"]) for job in ACCOUNT.jobs(instant)]

    assert created == sorted(set(created), reverse=True)
    assert created[0] <= instant
    assert created[-1] > instant - timedelta(days=90)


def test_every_job_has_the_newest_documented_shape() -> None:
    """Each job has the documented fields, its times in UTC milliseconds, its ids as text."""
    jobs = ACCOUNT.jobs(NOW)
    documented = set(_documented_job()["properties"])
    times = {job[name] for job in jobs for name in ("etc", "created_at", "updated_at")}
    operations = [operation for job in jobs for name in OUTCOMES for operation in job[name]]

    assert {frozenset(job) for job in jobs} == {frozenset(documented)}
    assert not [
        time for time in times if not re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z", time)
    ]
    assert not [op for op in operations if not re.fullmatch("[0-9]{19}", op["id"])]


def _documented_job() -> Json:
    document: Json = SCHEMA.raw_schema["components"]["schemas"]["PhoneNumbersJob"]
    return document


def test_all_phone_numbers_are_fictional() -> None:
    """Every number is in the ranges that numbering plans reserve for fiction."""
    fictional = re.compile(r"\+1[2-9][0-9]{2}55501[0-9]{2}|\+442079460[0-9]{3}")
    numbers = {
        operation["phone_number"]
        for job in ACCOUNT.jobs(NOW)
        for name in OUTCOMES
        for operation in job[name]
    }

    assert not [number for number in numbers if not fictional.fullmatch(number)]


def test_a_phone_number_keeps_its_id() -> None:
    """Over all jobs, number and id correspond one to one."""
    pairs = {
        (operation["id"], operation["phone_number"])
        for job in ACCOUNT.jobs(NOW)
        for name in OUTCOMES
        for operation in job[name]
    }

    assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs)


@pytest.mark.parametrize("instant", INSTANTS[:6], ids=str)
def test_no_number_is_answered_twice_and_none_is_lost_while_open(instant: datetime) -> None:
    """Each number asked for has one operation while the job is open, afterwards at most one."""
    for job in ACCOUNT.jobs(instant):
        operations = Counter(
            (key, operation[key])
            for outcome in OUTCOMES
            for operation in job[outcome]
            for key in ("id", "phone_number")
        )
        answers = {operations[item] for asked in job["phone_numbers"] for item in asked.items()}

        assert answers <= ({1} if _is_open(job) else {0, 1})
        assert _is_open(job) or job["pending_operations"] == []


def test_finished_jobs_leave_some_numbers_unanswered() -> None:
    """An expired job and a completed one each have a number that no operation answers."""
    silent = {
        job["status"]
        for job in ACCOUNT.jobs(NOW)
        if any(_answers(job, asked) == 0 for asked in job["phone_numbers"])
    }

    assert silent >= {"completed", "expired"}


def test_a_job_only_moves_forward() -> None:
    """From hour to hour statuses advance, settled operations stay, `updated_at` never falls."""
    order = ["pending", "in_progress", "completed", "failed", "expired"]
    earlier: dict[str, Json] = {}
    for hour in range(100):
        jobs = {job["id"]: job for job in ACCOUNT.jobs(NOW + timedelta(hours=hour))}
        for job_id in jobs.keys() & earlier.keys():
            before, after = earlier[job_id], jobs[job_id]
            assert order.index(before["status"]) <= order.index(after["status"])
            assert before["updated_at"] <= after["updated_at"]
            for outcome in ("successful_operations", "failed_operations"):
                assert after[outcome][: len(before[outcome])] == before[outcome]
        earlier = jobs


def test_finished_jobs_never_change() -> None:
    """A finished job is the same a month later, shown by another account object."""
    later = {job["id"]: job for job in Account().jobs(NOW + timedelta(days=30))}
    finished = [job for job in ACCOUNT.jobs(NOW) if not _is_open(job) and job["id"] in later]

    assert finished == [later[job["id"]] for job in finished]
    assert {job["status"] for job in finished} == {"completed", "failed", "expired"}


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_half_a_minute_changes_what_is_open(instant: datetime) -> None:
    """At any instant three to six jobs are open, and two of them change within half a minute."""
    jobs = ACCOUNT.jobs(instant)
    later = {job["id"]: job for job in ACCOUNT.jobs(instant + timedelta(seconds=30))}
    still_open = [job for job in jobs if _is_open(job)]

    assert 3 <= len(still_open) <= 6
    assert sum(job != later[job["id"]] for job in still_open) >= 2


def test_numbers_settle_one_after_another() -> None:
    """A campaign's pending operations settle a few at a time, until none is left."""
    job_id = next(job["id"] for job in ACCOUNT.jobs(NOW) if job["status"] == "pending")
    pending: list[int] = []
    for hour in range(100):
        jobs = ACCOUNT.jobs(NOW + timedelta(hours=hour))
        (job,) = [job for job in jobs if job["id"] == job_id]
        pending.append(len(job["pending_operations"]))
    steps = [before - after for before, after in pairwise(pending)]

    assert pending[0] == len(job["phone_numbers"])
    assert pending[-1] == 0
    assert min(steps) >= 0
    # at its end a job may give up on some at once
    assert max(steps) <= pending[0] / 10


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_some_failure_is_new_in_the_last_week(instant: datetime) -> None:
    """A pair of code and pointer occurs in jobs of the last seven days, and in none before."""
    jobs = ACCOUNT.jobs(instant)
    week_ago = (instant - timedelta(days=7)).isoformat()
    recent: set[tuple[str | None, str]] = set()
    before: set[tuple[str | None, str]] = set()
    for job, error in _faults(jobs):
        pair = error.get("code"), re.sub("[0-9]+", "*", error.get("source", {}).get("pointer", ""))
        (recent if job["updated_at"] > week_ago else before).add(pair)

    assert recent - before


def test_failures_come_in_every_shape_that_a_reader_must_bear() -> None:
    """Errors may lack code, source or page; operations may have two or none; pointers may index."""
    jobs = ACCOUNT.jobs(NOW)
    errors = [error for _, error in _faults(jobs)]
    failed = [operation for job in jobs for operation in job["failed_operations"]]
    pointers = {error.get("source", {}).get("pointer", "") for error in errors}

    assert {name for name in ("code", "source", "meta") for e in errors if name not in e} == {
        "code",
        "source",
        "meta",
    }
    assert {len(operation["errors"]) for operation in failed} == {0, 1, 2}
    assert any(error.get("source", {}).keys() == {"parameter"} for error in errors)
    assert any(re.fullmatch("/phone_numbers/[0-9]+/tags", pointer) for pointer in pointers)


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_failure_rates_look_real(instant: datetime) -> None:
    """5 to 8 % fail; many jobs have no failure, some fail wholly, some numbers always."""
    jobs = ACCOUNT.jobs(instant)
    failed = [len(job["failed_operations"]) for job in jobs]
    settled = [
        len(job["successful_operations"]) + number for job, number in zip(jobs, failed, strict=True)
    ]
    by_number = Counter(op["phone_number"] for job in jobs for op in job["failed_operations"])

    assert 0.05 <= sum(failed) / sum(settled) <= 0.08
    assert failed.count(0) > 50
    assert any(lost > 0.9 * total > 18 for lost, total in zip(failed, settled, strict=True))
    assert by_number.most_common(5)[-1][1] >= 5
