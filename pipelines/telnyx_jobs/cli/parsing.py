"""How a command reads its options: flag, then environment, then `.dlt/config.toml`.

Nothing is read twice: Typer looks the file's settings up as defaults, and messages name the place
that a wrong value comes from.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any

import typer
from typer.core import TyperCommand

from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.settings import CONFIG_FILE, CONFIG_SECTION, ENV_PREFIX, configuration

_ADVICE = {
    "int_parsing": "{input!r} is not a whole number: give one such as 10",
    "float_parsing": "{input!r} is not a number: give one such as 10",
    "bool_parsing": "{input!r} is neither true nor false: give one of them",
    "greater_than_equal": "{input} is too small: give {ge:g} or more",
    "less_than_equal": "{input} is too large: give {le:g} or less",
}
"""What to give instead of a wrong value, by pydantic's type of the error."""

KEPT_SOURCES = ("ENVIRONMENT", "DEFAULT_MAP")
"""Typer's names for the environment and for the file."""


class ConfiguredCommand(TyperCommand):
    """A command whose options also come from the environment and from the file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Sets the options in the context, and says who is notified of this run."""
        unusable = None
        try:
            ctx.default_map = self._from_file()
        except BadConfiguration as error:
            unusable = error
        try:
            rest = super().parse_args(ctx, list(args))
        except typer.TyperException as wrong:
            _name_source(wrong)
            _say_what_to_give(wrong)
            self._read_what_can_be(ctx, args)
            raise
        finally:
            # also when an option is wrong: a run that fails on its options has failed
            if "webhook" in ctx.params and not ctx.params.get("dry_run"):
                ctx.obj.address(ctx.params.get("webhook"), ctx.params.get("ping"))
        if unusable:
            raise unusable
        return rest

    def _from_file(self) -> dict[str, Any]:
        """Options by their names, as the environment would have them."""
        section = configuration().get(CONFIG_SECTION, {})
        if not isinstance(section, dict):
            raise BadConfiguration(
                f"{CONFIG_SECTION} in {CONFIG_FILE} is not a section: write [{CONFIG_SECTION}]"
            )
        lists = {option.name for option in self.params if getattr(option, "multiple", False)}
        return {
            name: _as_list(value) if name in lists else _as_text(value)
            for name, value in section.items()
        }

    def _read_what_can_be(self, ctx: Any, args: list[str]) -> None:
        """The options beside the wrong one."""
        ctx.resilient_parsing = ctx.ignore_unknown_options = True
        super().parse_args(ctx, list(args))


def is_from_schedule(context: typer.Context, option: str) -> bool:
    """Whether the option is set where a schedule sets it: in the environment or the file."""
    source = context.get_parameter_source(option)
    return source is not None and source.name in KEPT_SOURCES


def unknown_settings(commands: Mapping[str, Any]) -> Iterator[str]:
    """A warning for each setting in the environment or the file that no command has."""
    names = {option.name for command in commands.values() for option in command.params}
    variables = {f"{ENV_PREFIX}_{name.upper()}" for name in names}
    for variable in sorted(os.environ):
        if variable.startswith(f"{ENV_PREFIX}_") and variable not in variables:
            yield _warning(variable, "the environment", variables)
    try:
        content = configuration()
    except BadConfiguration:
        # the command says so
        return
    section = content.get(CONFIG_SECTION, {})
    for name in section if isinstance(section, dict) else ():
        if name not in names:
            yield _warning(name, f"[{CONFIG_SECTION}] of {CONFIG_FILE}", names)
    for title in content:
        if title != CONFIG_SECTION and get_close_matches(title, [CONFIG_SECTION], cutoff=0.8):
            yield _warning(f"[{title}]", str(CONFIG_FILE), {f"[{CONFIG_SECTION}]"})


def _warning(name: str, place: str, known: set[str]) -> str:
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{name} in {place} is not a setting, and has no effect{hint}"


def _as_list(value: Any) -> list[Any]:
    """Several values, from a list or from a text as the environment has it."""
    return [_as_text(each) for each in value] if isinstance(value, list) else str(value).split()


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, date):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def source_of(wrong: Any) -> str | None:
    """Typer's name for where the wrong value comes from, if it is one of an option."""
    context, option = getattr(wrong, "ctx", None), getattr(wrong, "param", None)
    source = context.get_parameter_source(option.name) if context and option else None
    return source.name if source else None


def _name_source(wrong: Any) -> None:
    """Let the message name the source of the value instead of the flag."""
    if not hasattr(wrong, "param_hint"):
        return
    source, option = source_of(wrong), wrong.param
    if source == "DEFAULT_MAP":
        wrong.param_hint = f"{option.name} in {CONFIG_FILE}"
    elif source == "ENVIRONMENT":
        own = f"{ENV_PREFIX}_{option.name.upper()}"
        named = [option.envvar] if isinstance(option.envvar, str) else option.envvar or []
        wrong.param_hint = next((name for name in named if os.environ.get(name)), own)


def _say_what_to_give(wrong: Any) -> None:
    """Replace pydantic's words, and formats of strptime, by what to give."""
    for error in getattr(wrong.__cause__, "errors", list)():
        given = error["input"]
        if error["type"] in _ADVICE:
            wrong.message = _ADVICE[error["type"]].format(input=given, **error.get("ctx", {}))
        elif "does not match the format" in error["msg"]:
            examples = "give one such as 2026-01-31 or 2026-01-31T12:00:00Z"
            wrong.message = f"{given!r} is not a date: {examples}"
        else:
            wrong.message = error["msg"].removeprefix("Value error, ")
    if str(getattr(wrong, "message", "")).endswith("is a directory."):
        wrong.message = f"{wrong.message.rstrip('.')}: give the path of a file"
