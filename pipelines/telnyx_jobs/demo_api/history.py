"""The demo account: about 300 jobs of the last 90 days, a pure function of a seed and an instant.

Time is divided into slots of 7.2 hours since a fixed day. Each slot holds one job, drawn only from
the seed and the slot's index. So two processes show the same account, a finished job never
changes, and a job older than 90 days disappears, as with Telnyx.

Every third job is a campaign of 110 to 1,000 numbers: it waits for a day, then runs for about two.
So three or four are open at any instant, at least one of them pending and two in progress. A job
in progress reports every 10 seconds: `updated_at` moves, and the numbers settled since appear. All
other jobs are small and end within minutes.

Phone numbers are from ranges reserved for fiction: +1 NPA 555 01xx, +44 20 7946 0xxx.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log
from random import Random
from typing import Any
from uuid import UUID

from telnyx_jobs.demo_api.failures import (
    DELETE,
    EMERGENCY,
    INCIDENTS,
    UPDATE,
    USUAL,
    WHOLE_JOB,
    Failure,
    Json,
)

# every time below is a whole number of milliseconds, an instant one since this day
_DAY_ZERO = datetime(2024, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECOND = 1_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

_SLOT = 432 * _MINUTE
_RETENTION = 90 * _DAY
_REPORT_INTERVAL = 10 * _SECOND
_EXPIRY = 15 * _MINUTE
# 15 incidents of 6 days fill the retention time, so each kind occurs once in it
_INCIDENT = 6 * _DAY
_INCIDENT_STRIDE = 40

# area codes that the North American plan keeps assignable: no N11, no N9X
_AREA_CODES = [code for code in range(201, 990) if code % 100 != 11 and code // 10 % 10 != 9]
_US_NUMBERS = 2_000
_UK_NUMBERS = 400
_KEPT_NUMBERS = _US_NUMBERS + _UK_NUMBERS
_BAD_NUMBERS = range(5, _US_NUMBERS, 133)
_LARGEST_DELETE = 120


class Account:
    """One customer's jobs: the same for the same seed, in every process."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._lives: dict[int, _Life] = {}
        self._finished: dict[int, Json] = {}

    def jobs(self, now: datetime) -> list[dict[str, Any]]:
        """All jobs visible at `now`, newest first, in the API's shape.

        Finished jobs are shared between calls: the caller must not change them.
        """
        instant = (now - _DAY_ZERO) // _MILLISECOND
        slots = range(instant // _SLOT, (instant - _RETENTION) // _SLOT - 1, -1)
        lives = ((slot, self._life(slot)) for slot in slots)
        return [
            self._job(slot, life, instant)
            for slot, life in lives
            if 0 <= instant - life.created < _RETENTION
        ]

    def _life(self, slot: int) -> "_Life":
        if slot not in self._lives:
            self._lives[slot] = _draw(self.seed, slot)
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


@dataclass(frozen=True, slots=True)
class _Life:
    """A job from beginning to end, enough to show it at any instant.

    `results` holds one entry per operation, in the order of work: the settled operation, or None
    for a number that never gets an answer.
    """

    identity: Json
    request: Json
    created: int
    started: int
    pace: int
    ended: int
    final_status: str
    operations: list[Json]
    results: list[Json | None]


def _snapshot(life: _Life, instant: int) -> Json:
    """The job as the API shows it at `instant`."""
    if instant >= life.ended:
        status, reported = life.final_status, life.ended
    elif instant < life.started:
        status, reported = "pending", life.created
    else:
        status = "in_progress"
        reported = instant - (instant - life.started) % _REPORT_INTERVAL
    done = max(0, (reported - life.started) // life.pace)
    settled = [result for result in life.results[:done] if result is not None]
    is_open = instant < life.ended
    return {
        **life.identity,
        "status": status,
        "updated_at": _text(reported),
        **life.request,
        "successful_operations": [result for result in settled if "errors" not in result],
        "pending_operations": [
            operation
            for position, operation in enumerate(life.operations)
            if is_open and (position >= done or life.results[position] is None)
        ],
        "failed_operations": [result for result in settled if "errors" in result],
    }


def _draw(seed: int, slot: int) -> _Life:
    """The life of the slot's job: every draw it needs, in one fixed order."""
    random = Random(f"{seed}/{slot}")
    job_type = _job_type(slot, random)
    course = _course(slot, random)
    created = slot * _SLOT + course.delay
    started = created + course.wait
    ended = created + _EXPIRY if course.expires else started + course.size * course.pace
    numbers = _numbers(slot, job_type, course.size, random)
    operations = [
        {"id": _phone_number_id(seed, number), "phone_number": _phone_number(number)}
        for number in numbers
    ]
    results = _results(job_type, slot, course, started, numbers, operations, random)
    return _Life(
        identity={
            "id": str(UUID(int=random.getrandbits(128), version=4)),
            "record_type": "phone_numbers_job",
            "type": job_type,
            "etc": _text(created + int((ended - created) * random.uniform(0.85, 1.3))),
            "created_at": _text(created),
        },
        request=_request(job_type, operations, random),
        created=created,
        started=started,
        pace=course.pace,
        ended=ended,
        final_status=_final_status(course, results),
        operations=operations,
        results=results,
    )


def _job_type(slot: int, random: Random) -> str:
    # campaigns alternate, so one of each type is in progress at any instant
    if slot % 3 == 0:
        return (UPDATE, EMERGENCY)[slot // 3 % 2]
    return random.choices((UPDATE, EMERGENCY, DELETE), (35, 30, 35))[0]


def _course(slot: int, random: Random) -> _Course:
    if slot % 3 == 0:
        return _campaign(slot // 3, random)
    delay = random.randrange(_SLOT)
    if slot % 50 == 7:
        wait, pace = random.randrange(_MINUTE, _EXPIRY), random.randint(10_000, 60_000)
        return _Course(random.randint(20, 80), delay, wait, pace, 0.02, expires=True)
    wait, pace = random.randint(3_000, 90_000), random.randint(2_000, 15_000)
    if slot % 50 == 29:
        return _Course(random.randint(20, _LARGEST_DELETE), delay, wait, pace, 0.97, fails=True)
    rate = random.choice((0.0, 0.0, 0.02, 0.12))
    return _Course(_skewed(1, 40, random), delay, wait, pace, rate)


def _campaign(turn: int, random: Random) -> _Course:
    size = 1_000 if turn % 33 == 0 else _skewed(110, 420, random)
    # a wait longer than the time to the next campaign leaves one pending at any instant
    return _Course(
        size=size,
        delay=random.randrange(_HOUR),
        wait=random.randint(23 * _HOUR, 24 * _HOUR),
        pace=random.randint(48 * _HOUR, 60 * _HOUR) // size,
        failure_rate=random.choice((0.002, 0.01, 0.02, 0.04)),
    )


def _skewed(smallest: int, largest: int, random: Random) -> int:
    """A whole number of that range, equally likely in each doubling."""
    return int(smallest * 2 ** random.uniform(0, log((largest + 1) / smallest, 2)))


def _numbers(slot: int, job_type: str, size: int, random: Random) -> list[int]:
    """The ordinals of the numbers asked for, each once."""
    if job_type == DELETE:
        # a deleted number occurs in that one job only
        first = _KEPT_NUMBERS + slot % 500 * _LARGEST_DELETE
        return list(range(first, first + size))
    owned = range(_KEPT_NUMBERS if job_type == UPDATE else _US_NUMBERS)
    bad = random.sample(_BAD_NUMBERS, random.randint(0, min(3, size // 8)))
    numbers = list(dict.fromkeys([*bad, *random.sample(owned, size)]))[:size]
    random.shuffle(numbers)
    return numbers


def _phone_number(ordinal: int) -> str:
    if _US_NUMBERS <= ordinal < _KEPT_NUMBERS:
        return f"+442079460{ordinal - _US_NUMBERS:03}"
    line, area = divmod(ordinal, len(_AREA_CODES))
    return f"+1{_AREA_CODES[area]}55501{line:02}"


def _phone_number_id(seed: int, ordinal: int) -> str:
    """19 digits, beyond what a double holds; distinct, as the factor shares none with 10."""
    scattered = (seed + (ordinal + 1) * 618_033_988_749_894_849) % 10**18
    return str(10**18 + scattered)


def _results(
    job_type: str,
    slot: int,
    course: _Course,
    started: int,
    numbers: list[int],
    operations: list[Json],
    random: Random,
) -> list[Json | None]:
    unanswered_rate = 0.03 if random.random() < 0.08 else 0.0
    results: list[Json | None] = []
    for position, (number, operation) in enumerate(zip(numbers, operations, strict=True)):
        luck = random.random()
        settled = started + (position + 1) * course.pace
        if luck > 1 - unanswered_rate:
            results.append(None)
        elif number in _BAD_NUMBERS and luck < 0.9:
            # the same number fails each time with the same error, one of the most usual
            results.append(_failed(operation, USUAL[job_type][number % 4][1], position))
        elif luck < course.failure_rate:
            failure = WHOLE_JOB[job_type] if course.fails else _usual_failure(job_type, random)
            results.append(_failed(operation, failure, position))
        elif position % _INCIDENT_STRIDE == slot % _INCIDENT_STRIDE and (
            incident := _incident(job_type, settled)
        ):
            results.append(_failed(operation, incident, position))
        else:
            results.append(operation)
    return results


def _failed(operation: Json, failure: Failure, position: int) -> Json:
    return {**operation, "errors": [fault.as_json(position) for fault in failure]}


def _usual_failure(job_type: str, random: Random) -> Failure:
    usual = USUAL[job_type]
    return random.choices(usual, [weight for weight, _ in usual])[0][1]


def _incident(job_type: str, settled: int) -> Failure:
    struck_type, fault = INCIDENTS[settled // _INCIDENT % len(INCIDENTS)]
    return (fault,) if struck_type == job_type else ()


def _final_status(course: _Course, results: list[Json | None]) -> str:
    if course.expires:
        return "expired"
    succeeded = any(result is not None and "errors" not in result for result in results)
    return "failed" if course.fails or not succeeded else "completed"


def _request(job_type: str, operations: list[Json], random: Random) -> Json:
    """`phone_numbers` and `parameters`: what was asked for, by id, by number or by both."""
    share_by_id = random.choice((0.0, 0.0, 1.0, 0.4))
    as_integers = random.random() < 0.5
    asked: list[Json] = []
    targets: list[str | int] = []
    for operation in operations:
        key = "id" if random.random() < share_by_id else "phone_number"
        value = operation[key]
        asked.append({key: value})
        targets.append(int(value) if key == "id" and as_integers else value)
    # Telnyx shows an empty object for jobs older than its record of the arguments
    parameters = {**_settings(job_type, random), "phone_numbers": targets}
    return {
        "phone_numbers": asked,
        "parameters": {} if random.random() < 0.05 else parameters,
    }


def _settings(job_type: str, random: Random) -> Json:
    """The settings that the job gives to its numbers."""
    if job_type == DELETE:
        return {}
    if job_type == EMERGENCY:
        is_enabled = random.random() < 0.9
        address = f"18{random.randrange(10**17):017}" if is_enabled else None
        return {"emergency_enabled": is_enabled, "emergency_address_id": address}
    voice = {
        "call_forwarding": {
            "call_forwarding_enabled": True,
            "forwarding_type": "always",
            "forwards_to": _phone_number(random.randrange(_US_NUMBERS)),
        },
        "tech_prefix_enabled": False,
        "usage_payment_method": "pay-per-minute",
    }
    choices: list[tuple[float, Json]] = [
        (0.7, {"connection_id": f"12{random.randrange(10**17):017}"}),
        (0.6, {"customer_reference": f"ORDER-{random.randrange(10_000):04}"}),
        (0.3, {"billing_group_id": None}),
        (0.3, {"add_tags": random.choice((["prod"], ["prod", "west"], ["pilot"]))}),
        (0.2, {"tags": []}),
        (0.2, {"deletion_lock_enabled": random.random() < 0.5}),
        (0.1, {"external_pin": f"{random.randrange(10**6):06}"}),
        (0.3, {"voice": voice}),
    ]
    return {
        key: value
        for likelihood, setting in choices
        if random.random() < likelihood
        for key, value in setting.items()
    }


def _text(instant: int) -> str:
    """The instant as Telnyx writes it: `2026-10-23T18:10:00.000Z`."""
    time = _DAY_ZERO + instant * _MILLISECOND
    return time.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
