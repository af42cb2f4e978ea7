"""The report's charts, drawn as SVG in advance, so the page needs no network.

Colours are CSS variables, so one page suits light and dark. Each chart is drawn twice, for a wide
window and for a phone, because one that is only scaled down is unreadable.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil
from statistics import median
from typing import Any

import altair as alt
import vl_convert

from telnyx_jobs.report.figures import Failures, Listed, Report
from telnyx_jobs.report.wording import code_of, percent, pointer_of

DAYS = 90
"""Days in the chart of days, up to the newest."""
_THIN = 0.2
"""A day with less than this share of the median day's operations is pale, and sets no axis."""
_HEADROOM = 1.05
_CODES = 15
_JOB_TYPES = 4
"""Job types with their own colour; the others share one."""
_STEPS = 5
"""Shades of the heat map."""


@dataclass(frozen=True)
class Size:
    """How much of a chart a window has room for: pixels, and rows of the heat map."""

    name: str
    plot: int
    label: int
    letters: int
    codes: int
    pointers: int
    is_wide: bool


WIDE = Size("wide", plot=650, label=270, letters=44, codes=15, pointers=12, is_wide=True)
NARROW = Size("narrow", plot=180, label=130, letters=17, codes=6, pointers=8, is_wide=False)


@dataclass(frozen=True)
class Chart:
    """A drawn chart: its title, what it shows in words, and an SVG per size by name."""

    title: str
    description: str
    svgs: dict[str, str]
    legend: Sequence[str] = ()
    """The names of the colours --type-1, --type-2 and so on."""


def charts_of(report: Report) -> Iterator[Chart]:
    if report.codes.rows:
        # if no job has a time, there is nothing to draw
        if report.days:
            yield _days_chart(report)
        yield _rates_chart("Failure rate by error code", report.codes, _code_and_title)
        yield _rates_chart("Failure rate by pointer", report.pointers, _pointer_label)
        yield _heat_map(report)


def _days_chart(report: Report) -> Chart:
    newest = max(day.day for day in report.days)
    days = [day for day in report.days if day.day > newest - timedelta(days=DAYS)]
    names = _names_of_types(report)
    shown = list(dict.fromkeys(names.values()))
    settled, failed = Counter[date](), Counter[date]()
    for day in days:
        settled[day.day] += day.settled
        failed[day.day] += day.failed
    few = median(settled.values()) * _THIN
    rates = {day: failed[day] / settled[day] for day in settled}
    usual = {day: rate for day, rate in rates.items() if settled[day] >= few}
    worst = max(usual, key=lambda day: usual[day])
    values = [
        {
            "day": day.day.isoformat(),
            "type": names[day.job_type],
            "rate": day.failed / settled[day.day],
            "is_thin": day.day not in usual,
        }
        for day in days
    ]

    def draw(size: Size) -> Any:
        return _days_drawn(values, shown, usual[worst] or 1, size)

    pale = f" Pale: days with fewer than {ceil(few):,} settled operations."
    cut = " Bars that reach the top edge are cut off."
    return _chart(
        "Failure rate per day",
        f"Failed operations of each job type, divided by all settled operations of the day, "
        f"{min(settled):%Y-%m-%d} to {newest:%Y-%m-%d}. The day is the UTC day of the job's last "
        f"change. Highest: {worst:%Y-%m-%d}, {percent(usual[worst])}."
        + (pale if len(usual) < len(rates) else "")
        + (cut if max(rates.values()) > usual[worst] * _HEADROOM else ""),
        draw,
        shown,
    )


def _days_drawn(values: list[dict[str, Any]], types: list[str], top: float, size: Size) -> Any:
    """The stacked bars, up to a little above the rate `top`."""
    return (
        _chart_of(values)
        .mark_bar(binSpacing=1, clip=True)
        .encode(
            x=alt.X(
                "utcyearmonthdate(day):T",
                title=None,
                scale=alt.Scale(type="utc"),
                axis=alt.Axis(format="%-d %b", tickCount=8 if size.is_wide else 3),
            ),
            y=alt.Y(
                "sum(rate):Q",
                title=None,
                scale=alt.Scale(domain=[0, top * _HEADROOM], nice=False),
                axis=alt.Axis(format="~%", tickCount=4),
            ),
            color=alt.Color(
                "type:N",
                scale=alt.Scale(domain=types, range=_colours("type", len(types))),
                legend=None,
            ),
            opacity=alt.condition("datum.is_thin", alt.value(0.35), alt.value(1)),
        )
        .properties(width=size.plot + (size.label if size.is_wide else 90), height=200)
    )


def _names_of_types(report: Report) -> dict[str | None, str]:
    """What the chart calls each job type: those that fail most by name, the others together."""
    failed = Counter[str | None]()
    for day in report.days:
        failed[day.job_type] += day.failed
    return {
        name: (name or "no type") if place < _JOB_TYPES else "other types"
        for place, (name, _) in enumerate(failed.most_common())
    }


def _code_and_title(failure: Failures, size: Size) -> str:
    title = f"  {failure.title}" if failure.title and size.is_wide else ""
    return code_of(failure) + title


def _pointer_label(failure: Failures, size: Size) -> str:
    return _end_of(pointer_of(failure), size.letters)


def _rates_chart(
    title: str, failures: Listed[Failures], label: Callable[[Failures, Size], str]
) -> Chart:
    shown = failures.rows[:_CODES]
    highest = max(failure.rate_high for failure in shown)
    first = label(shown[0], WIDE)

    def draw(size: Size) -> Any:
        labels = _distinct([label(failure, size) for failure in shown])
        values = [
            {
                "label": text,
                "rate": failure.failure_rate,
                "low": failure.rate_low,
                "high": failure.rate_high,
                "text": percent(failure.failure_rate),
            }
            for text, failure in zip(labels, shown, strict=True)
        ]
        y = alt.Y("label:N", title=None, sort=None, axis=alt.Axis(labelLimit=size.label))
        # room for the figures beyond the longest bound
        room = alt.Scale(domain=[0, highest * (1.15 if size.is_wide else 1.35)], nice=False)
        axis = alt.Axis(format="~%", tickCount=5 if size.is_wide else 3, title=None)
        chart = _chart_of(values).encode(y=y)
        bars = chart.mark_bar(color="var(--bar)").encode(x=alt.X("rate:Q", scale=room, axis=axis))
        bounds = chart.mark_rule(color="var(--ink)", strokeWidth=1.5).encode(
            x=alt.X("low:Q", scale=room), x2="high:Q"
        )
        figures = chart.mark_text(align="left", dx=5, color="var(--ink)").encode(
            x=alt.X("high:Q", scale=room), text="text:N"
        )
        return alt.layer(bars, bounds, figures).properties(width=size.plot, height={"step": 24})

    return _chart(
        title,
        f"Failed operations divided by all settled ones: the {len(shown)} most frequent of "
        f"{failures.total:,}. Lines are 95 % Wilson intervals. Most frequent: {first.strip()}, "
        f"{percent(shown[0].failure_rate)}.",
        draw,
    )


def _heat_map(report: Report) -> Chart:
    def draw(size: Size) -> Any:
        codes = [code_of(failure) for failure in report.codes.rows[: size.codes]]
        # a row of empty cells says nothing
        at_codes = {pointer_of(pair) for pair in report.pairs.rows if code_of(pair) in codes}
        pointers = [name for name in map(pointer_of, report.pointers.rows) if name in at_codes]
        pointers = pointers[: size.pointers]
        ends = _distinct([_end_of(pointer, size.letters) for pointer in pointers])
        names = dict(zip(pointers, ends, strict=True))
        shades = [str(step) for step in range(1, _STEPS + 1)]
        chart = _chart_of(_cells(report, codes, names)).encode(
            x=alt.X(
                "code:N",
                title=None,
                scale=alt.Scale(domain=codes),
                axis=alt.Axis(orient="top", labelAngle=-60 if size.is_wide else -90, labelLimit=80),
            ),
            y=alt.Y(
                "pointer:N",
                title=None,
                scale=alt.Scale(domain=ends),
                axis=alt.Axis(labelLimit=size.label),
            ),
        )
        cells = chart.mark_rect().encode(color=_shaded("heat", shades))
        figures = chart.mark_text(fontSize=11 if size.is_wide else 10).encode(
            text="failed:Q", color=_shaded("heat-ink", shades)
        )
        return (
            alt.layer(cells, figures)
            .resolve_scale(color="independent")
            .properties(width=size.plot, height={"step": 26})
        )

    pair = report.pairs.rows[0]
    return _chart(
        "Error codes by pointer",
        "Failed operations of the most frequent codes and pointers. Most frequent: "
        f"{code_of(pair)} at {pointer_of(pair)}, {pair.failed:,}.",
        draw,
    )


def _cells(report: Report, codes: list[str], names: dict[str, str]) -> list[dict[str, Any]]:
    """One cell for each of these codes and pointers that failed together."""
    most = max(pair.failed for pair in report.pairs.rows)
    return [
        {
            "code": code_of(pair),
            "pointer": names[pointer_of(pair)],
            "failed": pair.failed,
            "shade": _shade(pair.failed, most),
        }
        for pair in report.pairs.rows
        if code_of(pair) in codes and pointer_of(pair) in names
    ]


def _shade(count: int, most: int) -> str:
    """The shade of a count; each shade means half as many as the next."""
    step = next(step for step in range(_STEPS) if step == _STEPS - 1 or count * 2 > most >> step)
    return str(_STEPS - step)


def _shaded(name: str, shades: list[str]) -> alt.Color:
    scale = alt.Scale(domain=shades, range=_colours(name, len(shades)))
    return alt.Color("shade:N", scale=scale, legend=None)


def _colours(name: str, count: int) -> list[str]:
    return [f"var(--{name}-{place})" for place in range(1, count + 1)]


def _end_of(text: str, longest: int) -> str:
    """The text, its beginning cut off if it is too long: pointers differ at their end."""
    return text if len(text) <= longest else f"…{text[1 - longest :]}"


def _distinct(labels: Sequence[str]) -> list[str]:
    """The labels, numbered where they repeat: a chart would draw equal ones over each other."""
    seen = Counter[str]()
    distinct = []
    for label in labels:
        seen[label] += 1
        distinct.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return distinct


def _chart_of(values: list[dict[str, Any]]) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=values))


def _chart(
    title: str, description: str, draw: Callable[[Size], Any], legend: Sequence[str] = ()
) -> Chart:
    svgs = {size.name: _svg(draw(size)) for size in (WIDE, NARROW)}
    return Chart(title, description, svgs, legend)


def _svg(chart: Any) -> str:
    """The chart as SVG. Its figures and texts are escaped by the drawing library."""
    styled = chart.configure(
        aria=False,
        background="transparent",
        # a browser's font may be wider than the one that the labels were measured in
        padding={"left": 24, "right": 8, "top": 4, "bottom": 4},
        font="system-ui, sans-serif",
        view=alt.ViewConfig(stroke=None),
        text=alt.MarkConfig(fontSize=12),
        axis=alt.AxisConfig(
            labelColor="var(--ink)",
            labelFontSize=12,
            gridColor="var(--line)",
            domainColor="var(--line)",
            tickColor="var(--line)",
        ),
    )
    return vl_convert.vegalite_to_svg(styled.to_dict())
