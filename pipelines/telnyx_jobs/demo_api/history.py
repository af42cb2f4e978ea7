"""The demo account: about 300 jobs of the last 90 days, a pure function of a seed and an instant.

Time is divided into slots of 7.2 hours since a fixed day. Each slot holds one job, drawn only from
the seed, the slot's index and, for a retry, the job that it retries. So two processes show the same
account, a finished job never changes, and a job older than 90 days disappears, as with Telnyx.

Every third job is a campaign of 110 to 1,000 numbers: it waits for a day, then runs for about two.
So three or four are open at any instant, at least one of them pending and two in progress. A job
in progress reports every 10 seconds: `updated_at` moves, and the numbers settled since appear. All
other jobs are small and end within minutes. About a third of them retry what a campaign failed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from math import log
from random import Random
from typing import Any
from uuid import UUID

from telnyx_jobs.demo_api.failures import DELETE, EMERGENCY, UPDATE, Json
from telnyx_jobs.demo_api.numbers import (
    drawn_numbers,
    phone_number,
    phone_number_id,
)
from telnyx_jobs.demo_api.outcomes import (
    Outcomes,
    Work,
    drawn_outcomes,
    incident_at,
    retried,
    wave_at,
)
from telnyx_jobs.demo_api.parameters import (
    Customer,
    customers,
    drawn_settings,
    request,
    with_value,
)
from telnyx_jobs.demo_api.times import DAY, DAY_ZERO, HOUR, MILLISECOND, MINUTE, SECOND, text

_SLOT = 432 * MINUTE
_RETENTION = 90 * DAY
_REPORT_INTERVAL = 10 * SECOND
_EXPIRY = 15 * MINUTE
# campaigns alternate, so one of each type is in progress at any instant
_CAMPAIGN_TYPES = (UPDATE, EMERGENCY)
_CAMPAIGN_SLOTS = 3
# from the slot of a campaign until it is over, at the latest
_CAMPAIGN_TIME = (1 + 24 + 60) * HOUR
_LARGEST_RETRY = 60


class Account:
    """One account's jobs: the same for the same seed, in every process."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._lives: dict[int, _Life] = {}
        self._finished: dict[int, Json] = {}

    def jobs(self, now: datetime) -> list[dict[str, Any]]:
        """All jobs visible at `now`, newest first, in the API's shape.

        Finished jobs are shared between calls: the caller must not change them.
        """
        instant = (now - DAY_ZERO) // MILLISECOND
        slots = range(instant // _SLOT, (instant - _RETENTION) // _SLOT - 1, -1)
        lives = ((slot, self._life(slot)) for slot in slots)
        return [
            self._job(slot, life, instant)
            for slot, life in lives
            if 0 <= instant - life.created < _RETENTION
        ]

    def _life(self, slot: int) -> "_Life":
        if slot not in self._lives:
            self._lives[slot] = _draw(self.seed, slot, self._life)
        return self._lives[slot]

    def _job(self, slot: int, life: "_Life", instant: int) -> Json:
        if instant < life.ended:
            return _snapshot(life, instant)
        if slot not in self._finished:
            self._finished[slot] = _snapshot(life, instant)
        return self._finished[slot]


@dataclass(frozen=True, slots=True)
class _Course:
    """How a job runs: its size, and how long each part takes."""

    size: int
    delay: int  # from the slot's beginning to the creation
    wait: int  # from the creation to the start
    pace: int  # per number
    failure_rate: float
    expires: bool = False
    fails: bool = False

    @property
    def duration(self) -> int:
        """From the creation to the end."""
        return _EXPIRY if self.expires else self.wait + self.size * self.pace


@dataclass(frozen=True, slots=True)
class _Life:
    """A job from beginning to end, enough to show it at any instant."""

    identity: Json
    request: Json
    customer: Customer
    settings: Json
    created: int
    course: _Course
    numbers: list[int]
    operations: list[Json]
    outcomes: Outcomes

    @property
    def ended(self) -> int:
        return self.created + self.course.duration


def _snapshot(life: _Life, instant: int) -> Json:
    """The job as the API shows it at `instant`."""
    started = life.created + life.course.wait
    is_open = instant < life.ended
    if not is_open:
        status, reported = _final_status(life), life.ended
    elif instant < started:
        status, reported = "pending", life.created
    else:
        status = "in_progress"
        reported = instant - (instant - started) % _REPORT_INTERVAL
    done = max(0, (reported - started) // life.course.pace)
    successful: list[Json] = []
    pending: list[Json] = []
    failed: list[Json] = []
    for position, operation in enumerate(life.operations):
        if position >= done or position in life.outcomes.unanswered:
            pending.append(operation)
        elif (failure := life.outcomes.failures.get(position)) is not None:
            failed.append({**operation, "errors": [fault.as_json(position) for fault in failure]})
        else:
            successful.append(operation)
    return {
        **life.identity,
        "status": status,
        "updated_at": text(reported),
        **life.request,
        "successful_operations": successful,
        "pending_operations": pending if is_open else [],
        "failed_operations": failed,
    }


def _final_status(life: _Life) -> str:
    if life.course.expires:
        return "expired"
    lost = len(life.outcomes.failures) + len(life.outcomes.unanswered)
    return "failed" if life.course.fails or lost == len(life.operations) else "completed"


def _draw(seed: int, slot: int, life_of: Callable[[int], _Life]) -> _Life:
    """The life of the slot's job: every draw it needs, in one fixed order."""
    random = Random(f"{seed}/{slot}")
    is_campaign = slot % _CAMPAIGN_SLOTS == 0
    job_type = _job_type(slot, random)
    course = _course(slot, random)
    created = slot * _SLOT + course.delay
    is_ordinary = not (is_campaign or course.expires or course.fails)
    earlier = None
    if is_ordinary and job_type in _CAMPAIGN_TYPES and random.random() < 0.5:
        earlier = life_of(_campaign_before(job_type, created))
    if earlier and earlier.outcomes.failures:
        customer = earlier.customer
        course, numbers, settings, outcomes = _retry(earlier, course, job_type, random)
    else:
        ended = created + course.duration
        wave = wave_at(job_type, ended) if is_campaign else None
        account = customers(seed)
        customer = account[random.randrange(len(account)) if wave is None else wave]
        settings = _settings(job_type, customer, course, ended, is_campaign, random)
        numbers = drawn_numbers(slot, job_type, course.size, random)
        work = Work(
            slot, job_type, numbers, settings, ended, course.failure_rate, course.fails, is_campaign
        )
        outcomes = drawn_outcomes(work, random)
    operations = [
        {"id": phone_number_id(seed, number), "phone_number": phone_number(number)}
        for number in numbers
    ]
    return _Life(
        identity={
            "id": str(UUID(int=random.getrandbits(128), version=4)),
            "record_type": "phone_numbers_job",
            "type": job_type,
            "etc": text(created + int(course.duration * random.uniform(0.85, 1.3))),
            "created_at": text(created),
        },
        request=request(
            settings, operations, is_kept=is_campaign or random.random() < 0.93, random=random
        ),
        customer=customer,
        settings=settings,
        created=created,
        course=course,
        numbers=numbers,
        operations=operations,
        outcomes=outcomes,
    )


def _retry(
    earlier: _Life, course: _Course, job_type: str, random: Random
) -> tuple[_Course, list[int], Json, Outcomes]:
    """A job for the numbers that an earlier one failed, mostly with corrected parameters."""
    failed = sorted(earlier.outcomes.failures)[:_LARGEST_RETRY]
    is_fixed = random.random() < 0.8 or incident_at(job_type, earlier.ended) is not None
    settings = earlier.settings
    if is_fixed:
        settings = drawn_settings(job_type, earlier.customer, is_whole=True, random=random)
    return (
        replace(course, size=len(failed)),
        [earlier.numbers[position] for position in failed],
        settings,
        retried(
            [earlier.outcomes.failures[position] for position in failed],
            is_fixed=is_fixed,
            random=random,
        ),
    )


def _settings(
    job_type: str,
    customer: Customer,
    course: _Course,
    ended: int,
    is_campaign: bool,
    random: Random,
) -> Json:
    """The settings of a job, with the value that causes its failures."""
    settings = drawn_settings(job_type, customer, is_whole=is_campaign, random=random)
    if course.fails and job_type == UPDATE:
        # a connection that nobody has
        settings = with_value(settings, "/connection_id", f"13{random.randrange(10**17):017}")
    incident = incident_at(job_type, ended)
    if incident and incident.sent is not None and (is_campaign or random.random() < 0.3):
        settings = with_value(settings, incident.fault.sent_at or "", incident.sent)
    return settings


def _campaign_before(job_type: str, created: int) -> int:
    """The slot of the newest campaign of this type that is over by then."""
    campaign = (created - _CAMPAIGN_TIME) // (_SLOT * _CAMPAIGN_SLOTS)
    kinds = len(_CAMPAIGN_TYPES)
    campaign -= (campaign - _CAMPAIGN_TYPES.index(job_type)) % kinds
    return campaign * _CAMPAIGN_SLOTS


def _job_type(slot: int, random: Random) -> str:
    if slot % _CAMPAIGN_SLOTS == 0:
        return _CAMPAIGN_TYPES[slot // _CAMPAIGN_SLOTS % len(_CAMPAIGN_TYPES)]
    return random.choices((UPDATE, EMERGENCY, DELETE), (35, 30, 35))[0]


def _course(slot: int, random: Random) -> _Course:
    if slot % _CAMPAIGN_SLOTS == 0:
        return _campaign(slot // _CAMPAIGN_SLOTS, random)
    delay = random.randrange(_SLOT)
    if slot % 50 == 7:
        wait, pace = random.randrange(MINUTE, _EXPIRY), random.randint(10_000, 60_000)
        return _Course(random.randint(20, 80), delay, wait, pace, 0.02, expires=True)
    wait, pace = random.randint(3_000, 90_000), random.randint(2_000, 15_000)
    if slot % 50 == 29:
        return _Course(random.randint(20, 80), delay, wait, pace, 0.97, fails=True)
    rate = random.choice((0.0, 0.0, 0.02, 0.12))
    return _Course(_skewed(1, 40, random), delay, wait, pace, rate)


def _campaign(turn: int, random: Random) -> _Course:
    size = 1_000 if turn % 33 == 0 else _skewed(110, 420, random)
    # a wait longer than the time to the next campaign leaves one pending at any instant
    return _Course(
        size=size,
        delay=random.randrange(HOUR),
        wait=random.randint(23 * HOUR, 24 * HOUR),
        pace=random.randint(48 * HOUR, 60 * HOUR) // size,
        failure_rate=random.choice((0.0, 0.005, 0.01, 0.02)),
    )


def _skewed(smallest: int, largest: int, random: Random) -> int:
    """A whole number of that range, equally likely in each doubling."""
    return int(smallest * 2 ** random.uniform(0, log((largest + 1) / smallest, 2)))
