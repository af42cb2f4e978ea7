"""Which stretches of the list, by creation time, have been read, and which page to read next; pure.

The list is newest first. A `Span` is a stretch that was read without a gap; one walk that ran to
the end leaves a single span without an oldest time, and an interrupted one leaves spans with gaps
between them, which the next walk closes before it looks for new jobs.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec

LATENESS = timedelta(hours=1)
"""How much later than its creation time a job may appear in the list and still be found."""
KNOWN_IN_A_ROW = 200
"""This many known jobs in a row end the walk, whatever their times."""


class Span(msgspec.Struct, array_like=True):
    """Jobs created from `oldest` to `newest`, both UTC; `oldest` None: to the end of the list."""

    newest: datetime
    oldest: datetime | None
    read: int = 0
    """How many jobs of the list, from its head, were passed when the span ended."""
    total: int | None = None
    """How many jobs the API announced then."""

    def reaches(self, time: datetime) -> bool:
        """Whether the stretch goes back to this time or further."""
        return self.oldest is None or self.oldest <= time

    def touches(self, other: "Span") -> bool:
        return self.reaches(other.newest) and other.reaches(self.newest)


class Coverage:
    """The spans of one list, newest first, never touching."""

    def __init__(self, spans: list[Span] | None = None) -> None:
        self.spans = spans or []

    def add(self, span: Span) -> None:
        """Add a stretch that was read, joined to the spans it touches."""
        apart = []
        for other in self.spans:
            if span.touches(other):
                lower = span if other.oldest and span.reaches(other.oldest) else other
                newest = max(span.newest, other.newest)
                span = Span(newest, lower.oldest, lower.read, lower.total)
            else:
                apart.append(other)
        self.spans = sorted([*apart, span], key=lambda each: each.newest, reverse=True)

    def span_at(self, time: datetime) -> Span | None:
        """The span that holds this time."""
        return next((s for s in self.spans if s.newest >= time and s.reaches(time)), None)

    def reopen(self, floor: datetime) -> None:
        """Forget that anything before `floor` was read."""
        for span in self.spans:
            if span.oldest is None:
                span.oldest, span.read, span.total = floor, 0, None


def stretch_of(created_at: Sequence[datetime]) -> Span | None:
    """The stretch that a page with these creation times covers; None without a usable time.

    Its end is the newest of the last three times: one job out of order must not stretch it.
    """
    if not created_at:
        return None
    if any(later > earlier + LATENESS for earlier, later in pairwise(created_at)):
        return None
    return Span(max(created_at), max(created_at[-3:]))


class Walk:
    """The way through one list: which page to read next, and what has been read so far.

    With `skip_swept` it first closes the gaps that interrupted walks left, each from its upper end,
    and then reads from the head of the list down to what was read before. If the list shrinks
    meanwhile, jobs may have moved up past the walk: it steps back until it missed none.
    """

    def __init__(self, coverage: Coverage, *, skip_swept: bool, page_size: int) -> None:
        self.next_page: int | None = 1
        self._coverage = coverage
        self._skip_swept = skip_swept
        self._page_size = page_size
        self._gaps = [s for s in coverage.spans if s.oldest is not None] if skip_swept else []
        self._above: Span | None = None
        """What the next page must continue, while that is uncertain."""
        self._top: datetime | None = None
        self._lower: datetime | None = None
        """From `_top` down to this time the list has been read without a gap."""
        self._own_end: datetime | None = None
        """The oldest time of the walk's own span in the coverage."""
        self._total: int | None = None
        self._known_in_a_row = 0
        self._begin()

    def advance(
        self, stretch: Span | None, known: Sequence[bool], *, total: int | None, is_last: bool
    ) -> None:
        """Add the page just read; `known` says for each of its jobs whether it was loaded."""
        number = self.next_page or 1
        if self._above is None and self._lower is not None and self._has_shrunk(total):
            read = (number - 1) * self._page_size
            self._above = Span(self._lower, self._lower, read, self._total)
        if self._above is not None and not self._is_back_below(self._above, number, stretch, total):
            return
        self._total = total
        for is_known in known:
            self._known_in_a_row = self._known_in_a_row + 1 if is_known else 0
        reached = self._reaches_swept(stretch)
        self._cover(stretch, number * self._page_size, total, is_last=is_last, reached=reached)
        if not (is_last or reached):
            self.next_page = number + 1
        elif self._is_at_head:
            self.next_page = None
        else:
            self._begin()

    def _begin(self) -> None:
        """At the next gap that is still open, else at the head of the list."""
        ends = {span.oldest for span in self._coverage.spans}
        self._gaps = [gap for gap in self._gaps if gap.oldest in ends]
        self._above = self._gaps.pop(0) if self._gaps else None
        self._is_at_head = self._above is None
        self._top = self._lower = self._own_end = self._above.oldest if self._above else None
        self._known_in_a_row = 0
        self.next_page = self._above.read // self._page_size + 1 if self._above else 1

    def _has_shrunk(self, total: int | None) -> bool:
        return total is not None and self._total is not None and total < self._total

    def _is_back_below(
        self, above: Span, number: int, stretch: Span | None, total: int | None
    ) -> bool:
        """Whether nothing lies between the span and this page; if not, sets the page to try."""
        grown = total - above.total if total is not None and above.total is not None else -1
        ahead = (above.read + grown) // self._page_size + 1
        if grown >= 0 and ahead != number:
            # at least this many jobs came on top: the page that followed the span lies further
            # down, or less far down than when this page was chosen
            self.next_page = ahead
            return False
        # with no fewer jobs than before nothing can have moved up past the span's end
        # newer than the span's end, not as old: of equal times only some may have been read
        overlaps = bool(stretch and above.oldest and stretch.newest > above.oldest)
        if grown < 0 and not overlaps and number > 1:
            self.next_page = number - 1
            return False
        self._above = None
        self._known_in_a_row = 0
        return True

    def _reaches_swept(self, stretch: Span | None) -> bool:
        """Whether the page goes deep enough into a span read before to trust it."""
        if not self._skip_swept or stretch is None or stretch.oldest is None:
            return False
        span = self._coverage.span_at(stretch.oldest)
        if span is None or self._is_own(span):
            return False
        deep = stretch.oldest < span.newest - LATENESS
        return deep or self._known_in_a_row >= KNOWN_IN_A_ROW

    def _cover(
        self, stretch: Span | None, read: int, total: int | None, *, is_last: bool, reached: bool
    ) -> None:
        if stretch is not None:
            bottom = stretch.oldest or stretch.newest
            self._top = max(self._top or stretch.newest, stretch.newest)
            self._lower = min(self._lower or bottom, bottom)
        if self._top is None or self._lower is None:
            return
        swept = self._coverage.span_at(self._lower)
        if is_last:
            self._coverage.add(Span(self._top, None))
        elif reached or swept is None or self._is_own(swept):
            # else the page ends where late jobs may be: the spans are joined once that is read too
            self._coverage.add(Span(self._top, self._lower, read, total))
            self._own_end = self._lower

    def _is_own(self, span: Span) -> bool:
        return span.oldest is not None and span.oldest == self._own_end
