"""JSON as text: cut by its strings and brackets only; pure.

Neither depth nor a value that JSON forbids matters here, so one such record does not spoil the
others of its page.
"""

import json
import re
from collections.abc import Iterator

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{},]', re.DOTALL)
_SPACE = " \t\n\r"
_NAME = re.compile(r'[ \t\n\r]*("[^"\\]*+(?:\\.[^"\\]*+)*+")[ \t\n\r]*:')


def elements(text: str) -> list[str]:
    """The text of each element of an array. Raises ValueError if `text` is not one."""
    return _items(text, "[")


def members(text: str) -> dict[str, str]:
    """The text of each member of an object, by its name; members without a name are left out.

    Raises ValueError if `text` is not an object.
    """
    found = {}
    for item in _items(text, "{"):
        name = _NAME.match(item)
        if name is not None:
            found[_unescaped(name[1])] = item[name.end() :].strip(_SPACE)
    return found


def without_member(text: str, name: str) -> str:
    """The text without the members of this name, at any depth, each with one of its commas."""
    kept: list[str] = []
    copied = 0
    comma: int | None = None
    tokens = _TOKEN.finditer(text)
    for token in tokens:
        mark = token[0]
        if mark == ",":
            comma = token.start()
        elif mark[0] != '"':
            comma = None
        elif _is_name(text, token, name):
            start = token.start() if comma is None else comma
            end = _end_of_value(tokens, len(text))
            kept.append(text[copied:start])
            follows = text[end : end + 1] == ","
            if follows and comma is not None:
                comma = end
            elif follows:
                end += 1
            else:
                comma = None
            copied = end
    return "".join([*kept, text[copied:]])


def _items(text: str, opening: str) -> list[str]:
    text = text.strip(_SPACE)
    if text[:1] != opening:
        raise ValueError(f"missing {opening}")
    items: list[str] = []
    start = 1
    still_open: list[str] = []
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "[{":
            still_open.append(mark)
        elif mark in "]}":
            if still_open.pop() + mark not in ("[]", "{}"):
                raise ValueError(f"{mark} closes nothing")
            if not still_open:
                break
        elif mark == "," and len(still_open) == 1:
            items.append(text[start : token.start()].strip(_SPACE))
            start = token.end()
    if still_open or token.end() != len(text):
        raise ValueError("the brackets do not end with the text")
    last = text[start:-1].strip(_SPACE)
    return [*items, last] if items or last else []


def _is_name(text: str, token: re.Match[str], name: str) -> bool:
    mark = token[0]
    is_it = mark == f'"{name}"' or ("\\" in mark and _unescaped(mark) == name)
    return is_it and _NAME.match(text, token.start()) is not None


def _end_of_value(tokens: Iterator[re.Match[str]], end_of_text: int) -> int:
    """Where the value ends that the next token belongs to: at a comma or a bracket around it."""
    depth = 0
    for token in tokens:
        mark = token[0]
        if mark in ",]}" and depth == 0:
            return token.start()
        depth += (mark in "[{") - (mark in "]}")
    return end_of_text


def _unescaped(string: str) -> str:
    try:
        return str(json.loads(string, strict=False))
    except ValueError:
        return string
