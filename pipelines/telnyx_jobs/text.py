"""Texts of the API and of errors, made safe to print."""

import re

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What could drive a terminal, or turn the direction of a line."""
_LONGEST = 200
_NUMBER = re.compile(r"\+[0-9][0-9 ()./-]{5,}[0-9]|[0-9]{7,}")
"""What may be a phone number, in any text of the API."""


def one_line(text: str) -> str:
    """A text of the API as a line may show it: harmless, and of 200 characters at most."""
    text = " ".join(_CONTROLS.sub("\ufffd", " ".join(text.split())).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def without_numbers(text: str) -> str:
    """The text with `[number]` instead of whatever may be a phone number."""
    return _NUMBER.sub("[number]", text)


def reason_of(error: BaseException) -> str:
    """The reason of an error, on one line of 300 characters at most."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:300] or type(error).__name__
