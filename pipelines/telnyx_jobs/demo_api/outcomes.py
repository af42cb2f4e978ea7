"""What becomes of the numbers of a demo job: when which fault strikes, and whether a retry helps.

Two kinds of faults move with time. An incident is seen for six days and at no other time, so at any
instant one is new and some are gone. A wave is high for ten days of 35, five of them in turn, so at
any instant one rises and one falls. All other faults are as likely on one day as on another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from telnyx_jobs.demo_api.failures import (
    BAD_NUMBER,
    INCIDENTS,
    USUAL,
    WAVES,
    WHOLE_JOB,
    Failure,
    Json,
    Strike,
)
from telnyx_jobs.demo_api.numbers import BAD_NUMBERS
from telnyx_jobs.demo_api.parameters import is_sent
from telnyx_jobs.demo_api.times import DAY

# 15 incidents of 6 days fill the retention time, so each kind occurs once in it
_INCIDENT = 6 * DAY
# every so many numbers; strides without a common factor strike different numbers
_INCIDENT_STRIDE = 48
_WAVE_TURN = 7 * DAY
_WAVE_HIGH = 10 * DAY
_WAVE_STRIDE = 29


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The failures of a job and its numbers without an answer, by position; all others succeed."""

    failures: dict[int, Failure]
    unanswered: frozenset[int]


@dataclass(frozen=True, slots=True)
class Work:
    """What a job is to do, and how often it fails."""

    slot: int
    job_type: str
    numbers: list[int]
    settings: Json
    ended: int
    failure_rate: float
    fails: bool
    is_campaign: bool


def incident_at(job_type: str, ended: int) -> Strike | None:
    """The incident that strikes jobs of this type that end at this instant."""
    incident = INCIDENTS[ended // _INCIDENT % len(INCIDENTS)]
    return incident if incident.job_type == job_type else None


def wave_at(job_type: str, ended: int) -> int | None:
    """Which wave is high for jobs of this type that end at this instant, the newest of several."""
    cycle = _WAVE_TURN * len(WAVES)
    ages = {
        place: (ended - place * _WAVE_TURN) % cycle
        for place, wave in enumerate(WAVES)
        if wave.job_type == job_type
    }
    high = [place for place, age in ages.items() if age < _WAVE_HIGH]
    return min(high, key=lambda place: ages[place]) if high else None


def drawn_outcomes(work: Work, random: Random) -> Outcomes:
    """What becomes of the numbers of a job that is not a retry."""
    unanswered_rate = 0.03 if random.random() < 0.08 else 0.0
    struck = _struck(work)
    failures: dict[int, Failure] = {}
    unanswered: set[int] = set()
    for position, number in enumerate(work.numbers):
        luck = random.random()
        if luck > 1 - unanswered_rate:
            unanswered.add(position)
        elif number in BAD_NUMBERS and luck < 0.9:
            # the same number fails each time with the same error
            failures[position] = BAD_NUMBER[number % len(BAD_NUMBER)]
        elif luck < work.failure_rate:
            whole = WHOLE_JOB[work.job_type]
            failures[position] = whole if work.fails else _usual_failure(work, random)
        elif position in struck:
            failures[position] = struck[position]
    return Outcomes(failures, frozenset(unanswered))


def retried(earlier: Sequence[Failure], *, is_fixed: bool, random: Random) -> Outcomes:
    """What becomes of numbers that failed so before; `is_fixed` if the parameters are right now."""
    failures: dict[int, Failure] = {}
    for position, failure in enumerate(earlier):
        recovery = min((fault.recovery for fault in failure), default=0.7)
        if any(fault.sent_at for fault in failure):
            recovery = float(is_fixed)
        if random.random() >= recovery:
            failures[position] = failure
    return Outcomes(failures, frozenset())


def _struck(work: Work) -> dict[int, Failure]:
    """Positions that an incident or a wave strikes."""
    size = len(work.numbers)
    struck: dict[int, Failure] = {}
    incident = incident_at(work.job_type, work.ended)
    if incident and is_sent(incident.fault, work.settings):
        places = range(work.slot % _INCIDENT_STRIDE, size, _INCIDENT_STRIDE)
        struck |= dict.fromkeys(places, (incident.fault,))
    for place, wave in enumerate(WAVES if work.is_campaign else ()):
        if wave.job_type == work.job_type:
            first = (work.slot + 7 * place) % _WAVE_STRIDE
            is_high = place == wave_at(work.job_type, work.ended)
            is_low = (work.slot // 6 + place) % 2 == 0
            places = range(first, size if is_high else first + is_low, _WAVE_STRIDE)
            struck |= dict.fromkeys(places, (wave.fault,))
    return struck


def _usual_failure(work: Work, random: Random) -> Failure:
    usual = [
        (weight, failure)
        for weight, failure in USUAL[work.job_type]
        if all(is_sent(fault, work.settings) for fault in failure)
    ]
    return random.choices([f for _, f in usual], [weight for weight, _ in usual])[0]
