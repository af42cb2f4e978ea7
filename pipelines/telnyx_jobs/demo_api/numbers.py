"""The demo account's phone numbers, by their ordinals from 0.

All are from ranges reserved for fiction: +1 NPA 555 01xx, +44 20 7946 0xxx.
"""

from random import Random

from telnyx_jobs.demo_api.failures import DELETE, UPDATE

# area codes that the North American plan keeps assignable: no N11, no N9X
_AREA_CODES = [code for code in range(201, 990) if code % 100 != 11 and code // 10 % 10 != 9]
US_NUMBERS = 2_000
_UK_NUMBERS = 400
_KEPT_NUMBERS = US_NUMBERS + _UK_NUMBERS
LARGEST_DELETE = 120
# those that nearly always fail
BAD_NUMBERS = range(5, US_NUMBERS, 133)


def drawn_numbers(slot: int, job_type: str, size: int, random: Random) -> list[int]:
    """The ordinals of the numbers that the slot's job is for, each once."""
    if job_type == DELETE:
        # a deleted number occurs in that one job only
        first = _KEPT_NUMBERS + slot % 500 * LARGEST_DELETE
        return list(range(first, first + size))
    owned = range(_KEPT_NUMBERS if job_type == UPDATE else US_NUMBERS)
    bad = random.sample(BAD_NUMBERS, random.randint(0, min(1, size // 8)))
    numbers = list(dict.fromkeys([*bad, *random.sample(owned, size)]))[:size]
    random.shuffle(numbers)
    return numbers


def phone_number(ordinal: int) -> str:
    """The number in E.164 form."""
    if US_NUMBERS <= ordinal < _KEPT_NUMBERS:
        return f"+442079460{ordinal - US_NUMBERS:03}"
    line, area = divmod(ordinal, len(_AREA_CODES))
    return f"+1{_AREA_CODES[area]}55501{line:02}"


def phone_number_id(seed: int, ordinal: int) -> str:
    """19 digits, beyond what a double holds; distinct, as the factor shares none with 10."""
    scattered = (seed + (ordinal + 1) * 618_033_988_749_894_849) % 10**18
    return str(10**18 + scattered)
