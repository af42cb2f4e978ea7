"""A client whose records are changed as they come from the API."""

from collections.abc import Sequence
from typing import Any, Protocol

from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Page, Record, Rejected


class Filter(Protocol):
    """Takes something out of what the API said."""

    def record(self, record: Record | Rejected) -> Record | Rejected:
        """The record, changed in place."""

    def said(self, text: str) -> str:
        """What the API said about a request."""


class FilteringClient(Client):
    """Passes each record through the filters, in their order, before anybody sees it."""

    def __init__(self, filters: Sequence[Filter], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._filters = filters

    def page(
        self, number: int, *, job_type: str | None = None, statuses: Sequence[str] = ()
    ) -> Page:
        page = super().page(number, job_type=job_type, statuses=statuses)
        page.records = [self._filtered(record) for record in page.records]
        return page

    def job(self, job_id: str) -> Record | Rejected | None:
        record = super().job(job_id)
        return record and self._filtered(record)

    def _filtered(self, record: Record | Rejected) -> Record | Rejected:
        for each in self._filters:
            record = each.record(record)
        return record

    def _without_key(self, text: str) -> str:
        text = super()._without_key(text)
        for each in self._filters:
            text = each.said(text)
        return text
