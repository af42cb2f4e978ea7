"""Forgotten phone numbers and ids: recognized by keyed fingerprints, and taken out of each record.

A number is recognized in any spelling: with a plus or without one, with separators, inside a text,
as a JSON number. It is never found inside a longer number. Each record is changed as it comes from
the API, before anything is hashed, compared or written, so nothing of a forgotten number returns.
"""

import hmac
import json
import re
from collections.abc import Iterator, Set
from functools import lru_cache
from typing import Any

from telnyx_jobs.api.models import Member, Record, Rejected
from telnyx_jobs.schema import FORGOTTEN
from telnyx_jobs.source.record_texts import NUMBER_FIELDS, change_texts, digits_of

_FEWEST, _MOST = 7, 15
"""Digits of a number, by ITU-T E.164."""
_NATIONAL = 10
"""Digits of a number in North America without its calling code, 1."""
NUMBER, ID = "phone_number", "phone_number_id"
"""The kinds of what can be forgotten."""
_MASK = re.compile(r"\+[0-9]{1,3}-[0-9a-f]{16}(?![0-9a-f])")
_LIKELY = re.compile(rf"(?:[0-9][ ()./-]{{0,3}}){{{_FEWEST - 1}}}[0-9]")
_DIGITS = re.compile(r"(?P<plus>\+|%2[Bb])?(?P<digits>[0-9]+)")
_GAP = re.compile(r"[ ()./-]{1,3}")
_WORD = re.compile(r"(?<![0-9A-Za-z_-])(?=[A-Za-z_-]*[0-9])[0-9A-Za-z_-]{4,64}(?![0-9A-Za-z_-])")
"""What an id in the middle of a text may be."""
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SPAN = tuple[int, int, str, bool]
"""Where digits begin and end, the plus included; the digits; whether a plus stands before them."""


class Forgotten:
    """Takes forgotten numbers and ids out of records. Used by one thread at a time.

    `numbers` and `ids` are fingerprints, made with `key`; `masks` are masked numbers.
    """

    def __init__(
        self, key: bytes, numbers: Set[str], ids: Set[str], masks: Set[str] = frozenset()
    ) -> None:
        self._numbers = numbers
        self._ids = ids
        self._masks = masks
        # codes, titles and the numbers of a job occur again and again
        self._fingerprint = lru_cache(maxsize=50_000)(
            lambda kind, value: fingerprint_of(key, kind, value)
        )

    def record(self, record: Record | Rejected) -> Record | Rejected:
        """The record without a forgotten number. It is changed in place; its job's id stays."""
        if isinstance(record, Rejected):
            record.reason = self.text(record.reason)
            record.text = self.json_text(record.text)
        else:
            _Record(self, record)
        return record

    def said(self, text: str) -> str:
        """What the API said about a request."""
        return self.text(text)

    def text(self, text: str, own: Set[str] = frozenset(), word: str = FORGOTTEN) -> str:
        """The text with `word` for each forgotten number; `own` are further digits and ids."""
        if text in own or self.is_id(text):
            return word
        if self._masks:
            text = _MASK.sub(lambda found: word if found[0] in self._masks else found[0], text)
        if _LIKELY.search(text):
            text = self._without_numbers(text, own, word)
        if not (self._ids or own):
            return text
        return _WORD.sub(
            lambda found: word if found[0] in own or self.is_id(found[0]) else found[0], text
        )

    def json_text(self, text: str) -> str:
        """JSON text, valid or not, also with letters and digits that are written as escapes."""
        place, parts = 0, []
        for found in _STRING.finditer(text):
            parts += [self._outside(text[place : found.start()]), self._string(found[0])]
            place = found.end()
        return "".join([*parts, self._outside(text[place:])])

    def _outside(self, text: str) -> str:
        return self.text(text, word=f'"{FORGOTTEN}"') if text.strip() else text

    def _string(self, quoted: str) -> str:
        try:
            plain = str(json.loads(quoted, strict=False))
        except ValueError:
            return self.text(quoted)
        without = self.text(plain)
        return quoted if without == plain else json.dumps(without)

    def is_number(self, digits: str, *, has_plus: bool = True) -> bool:
        """Whether the digits are a forgotten number; without a plus, also a national one."""
        if not _FEWEST <= len(digits) <= _MOST:
            return False
        if self._fingerprint(NUMBER, digits) in self._numbers:
            return True
        is_national = not has_plus and len(digits) == _NATIONAL
        return is_national and self._fingerprint(NUMBER, f"1{digits}") in self._numbers

    def is_id(self, text: str) -> bool:
        return bool(self._ids) and self._fingerprint(ID, text) in self._ids

    def is_written_number(self, text: str) -> bool:
        """Whether the value of a number field is forgotten, however it is written."""
        if text in self._masks:
            return True
        digits = digits_of(text)
        return self.is_number(digits, has_plus=text.strip().startswith("+"))

    def _without_numbers(self, text: str, own: Set[str], word: str) -> str:
        parts, place = [], 0
        for start, end in self._found(text, own):
            parts += [text[place:start], word]
            place = end
        return "".join([*parts, text[place:]])

    def _found(self, text: str, own: Set[str]) -> Iterator[tuple[int, int]]:
        """Where forgotten numbers stand: one or more whole runs of digits, the longest first."""
        for chain in _chains(text):
            start = first = 0
            while first < len(chain):
                last = self._last_of_number(chain, start, first, own)
                if last is None:
                    first += 1
                    continue
                yield chain[first][0], chain[last][1]
                start = first = last + 1

    def _last_of_number(
        self, chain: list[_SPAN], start: int, first: int, own: Set[str]
    ) -> int | None:
        """The last run of digits of the forgotten number that begins with the run `first`."""
        ends, digits = [], ""
        for last in range(first, len(chain)):
            digits += chain[last][2]
            if len(digits) > _MOST:
                break
            ends.append((last, digits))
        has_plus = chain[first][3]
        # what begins behind a number with a plus may be the end of that number
        before = sum(len(span[2]) for span in chain[start:first]) if chain[start][3] else _MOST
        for last, digits in reversed(ends):
            is_inside = first > start and before + len(digits) <= _MOST
            if not is_inside and (digits in own or self.is_number(digits, has_plus=has_plus)):
                return last
        return None


class _Record:
    """One record while forgotten numbers are taken out of it."""

    def __init__(self, forgotten: Forgotten, record: Record) -> None:
        job = record.job
        self._forgotten = forgotten
        members = [member for array in job.arrays().values() for member in array or ()]
        found = [member for member in members if self._is_forgotten(member)]
        self._own = {digits_of(m.phone_number) for m in found if m.phone_number}
        self._own |= {m.id for m in found if m.id}
        self._own.discard("")
        for member in found:
            member.id, member.phone_number = None, FORGOTTEN
        change_texts(record, self._text, self._value)

    def _is_forgotten(self, member: Member) -> bool:
        if member.id is not None and self._forgotten.is_id(member.id):
            return True
        number = member.phone_number
        return number is not None and (
            self._forgotten.is_written_number(number) or self._forgotten.is_id(number)
        )

    def _text(self, text: str | None) -> str | None:
        return text and self._forgotten.text(text, self._own)

    def _value(self, value: Any, is_number: bool = False) -> Any:
        """A JSON value; `is_number` if its field holds a number."""
        if isinstance(value, dict):
            return {
                self._text(name): self._value(item, name in NUMBER_FIELDS)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self._value(item, is_number) for item in value]
        if isinstance(value, str):
            if is_number and self._forgotten.is_written_number(value):
                return FORGOTTEN
            return self._text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = str(value).removesuffix(".0")
            return FORGOTTEN if text.isdecimal() and self._text(text) != text else value
        return value


def fingerprint_of(key: bytes, kind: str, value: str) -> str:
    """The fingerprint of a number's digits or of an id; without the key it reveals nothing."""
    return hmac.digest(key, f"{kind} {value}".encode(errors="replace"), "sha256").hex()[:32]


def key_id(key: bytes) -> str:
    """Identifies the key without revealing it."""
    return fingerprint_of(key, "key", "")[:16]


def _chains(text: str) -> Iterator[list[_SPAN]]:
    """Runs of digits that only separators stand between; one with a plus begins a chain."""
    chain: list[_SPAN] = []
    for found in _DIGITS.finditer(text):
        is_apart = chain and not _GAP.fullmatch(text, chain[-1][1], found.start())
        if chain and (found["plus"] or is_apart):
            yield chain
            chain = []
        chain.append((found.start(), found.end(), found["digits"], bool(found["plus"])))
    if chain:
        yield chain
