"""Texts of the API and of errors, made safe to print."""

import re

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What could drive a terminal, or turn the direction of a line."""
_LONGEST = 200
_NUMBER = re.compile(r"\+[0-9][0-9 ()./-]{5,}[0-9]|[0-9]{7,}")
"""What may be a phone number, in any text of the API."""


def unbroken(text: str) -> str:
    """The text on one line: a space for each run of white space in it, none around it."""
    return " ".join(text.split())


def printable(text: str) -> str:
    """The text on one line, without what cannot be printed."""
    return unbroken("".join(c if c.isprintable() else " " for c in text))


def one_line(text: str) -> str:
    """A text of the API as a line may show it: harmless, and of 200 characters at most."""
    text = unbroken(_CONTROLS.sub("\ufffd", unbroken(text)))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def without_numbers(text: str) -> str:
    """The text with `[number]` instead of whatever may be a phone number."""
    return _NUMBER.sub("[number]", text)


def reason_of(error: BaseException) -> str:
    """The reason of an error, on one line of 300 characters at most."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return unbroken(text)[:300] or type(error).__name__
