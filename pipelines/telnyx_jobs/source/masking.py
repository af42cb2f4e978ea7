"""Phone numbers as keyed hashes: `+12025550123` becomes `+1-` and 16 hex digits.

The country calling code stays, and the same number has the same mask wherever and whenever it
occurs, so masks join. Without the key a mask does not reveal its number; a plain hash would be
broken in minutes by trying all 10^10 numbers. Each record is masked as it comes from the API,
before anything is hashed, compared or written.
"""

import hmac
import json
import re
from collections.abc import Set
from typing import Any

from telnyx_jobs.api.models import Record, Rejected
from telnyx_jobs.source.record_texts import NUMBER_FIELDS, change_texts, digits_of

_HASH_DIGITS = 16
_CALLING_CODE = re.compile(
    "[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[2-9][0-9]{2}"
)
"""A country's part of a number, by ITU-T E.164: three digits unless one or two are a code."""
_FOUND = re.compile(
    # these only look like numbers: masks, and UUIDs
    rf"(?P<kept>\+[0-9]{{1,3}}-[0-9a-f]{{{_HASH_DIGITS}}}(?![0-9a-f])"
    r"|(?<![0-9A-Za-z])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9A-Za-z]))"
    # as E.164 writes a number, and as people do
    r"|(?P<plus>(?:\+|%2[Bb])(?:[1-9][0-9]{6,14}(?![0-9])"
    r"|[1-9](?:[ ()./-]{0,2}[0-9]){6,14}(?![0-9])))"
    r"|(?P<bare>(?<![0-9A-Za-z_.])[0-9]{7,15}(?![0-9A-Za-z_]))"
)
_ID_OR_STRING = re.compile(
    r'(?P<id>"(?:phone_number_)?id"\s*:\s*"[^"\\+%]*")'
    r'|(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")|(?P<other>[^"]++|")',
    re.DOTALL,
)


class Mask:
    """Masks with one key. `fingerprint` identifies the key without revealing it."""

    def __init__(self, key: bytes) -> None:
        self.fingerprint = hmac.digest(key, b"fingerprint", "sha256").hex()[:_HASH_DIGITS]
        self._key = key

    def record(self, record: Record | Rejected) -> Record | Rejected:
        """The record without a plain number; ids stay. It is changed in place."""
        if isinstance(record, Rejected):
            record.reason = self.text(record.reason)
            record.text = self._json_text(record.text)
        else:
            _Masked(self, record)
        return record

    def number(self, text: str) -> str:
        """The mask of the value of a number field, however it is written."""
        digits = digits_of(text)
        return self._of_digits(digits) if digits else text

    def text(self, text: str, own: Set[str] | None = frozenset()) -> str:
        """The text with each E.164 number masked.

        `own` are digits that are a number even without a plus before them; with None every run of
        7 to 15 digits is one.
        """

        def masked(found: re.Match[str]) -> str:
            if found["plus"]:
                return self._of_digits(digits_of(found["plus"].replace("%2", "", 1)))
            is_number = found["bare"] and (own is None or found["bare"] in own)
            return self._of_digits(found["bare"]) if is_number else found[0]

        return _FOUND.sub(masked, text)

    def said(self, text: str) -> str:
        """What the API said about a request: rather too much masked than too little."""
        return self.text(text, None)

    def _json_text(self, text: str) -> str:
        """JSON text, valid or not: rather too much masked than too little."""

        def masked(found: re.Match[str]) -> str:
            if found["other"]:
                return _FOUND.sub(lambda number: quoted(number[0]), found["other"])
            if found["id"]:
                return found["id"]
            try:
                plain = str(json.loads(found["string"], strict=False))
            except ValueError:
                return self.text(found["string"], None)
            without = self.text(plain, None)
            return found["string"] if without == plain else json.dumps(without)

        def quoted(number: str) -> str:
            without = self.text(number, None)
            return number if without == number else json.dumps(without)

        return _ID_OR_STRING.sub(masked, text)

    def _of_digits(self, digits: str) -> str:
        of_number = hmac.digest(self._key, digits.encode(), "sha256").hex()[:_HASH_DIGITS]
        return f"+{_calling_code(digits)}-{of_number}"


class _Masked:
    """One record while it is masked, with the digits of its numbers and its ids."""

    def __init__(self, mask: Mask, record: Record) -> None:
        job = record.job
        self._mask = mask
        elements = [e for members in job.arrays().values() for e in members or ()]
        self._ids = {e.id for e in elements}
        self._own = {digits_of(e.phone_number) for e in elements if e.phone_number}
        for element in elements:
            element.id = self._text(element.id)
            element.phone_number = element.phone_number and mask.number(element.phone_number)
        change_texts(record, self._text, self._value)

    def _text(self, text: str | None) -> str | None:
        if not text:
            return text
        return self._mask.text(text) if text in self._ids else self._mask.text(text, self._own)

    def _value(self, value: Any, is_number: bool = False) -> Any:
        """A JSON value; `is_number` if its field holds a number."""
        if isinstance(value, dict):
            return {
                self._mask.text(name, self._own): self._value(item, name in NUMBER_FIELDS)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self._value(item, is_number) for item in value]
        if isinstance(value, str):
            return self._number(value) if is_number else self._text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = str(value).removesuffix(".0")
            masked = self._number(text) if is_number else self._text(text)
            return value if masked == text else masked
        return value

    def _number(self, text: str) -> str:
        """The value of a number field; more digits than a number has are an id."""
        if text in self._ids or len(digits_of(text)) > 15:
            return text
        return self._mask.number(text)


def _calling_code(digits: str) -> str:
    """The country's part of a number; 0 for digits that are not an E.164 number."""
    code = _CALLING_CODE.match(digits)
    return code[0] if code and 7 <= len(digits) <= 15 else "0"
