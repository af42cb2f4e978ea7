"""An API that does not filter by status as documented, for FaultyApi's `otherwise`."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from support.answer_faults import refusal
from support.faulty_api import Exchange, Fault, Reply, good

STATUS_FILTER = "filter[status][]"
_FINISHED = ("completed", "failed", "expired")
_EMPTY = b'{"data":[],"meta":{"total_pages":0,"total_results":0,"page_number":1,"page_size":250}}'


def where_filtered(fault: Fault) -> Fault:
    """The fault for each list that is filtered by status, the good reply for anything else."""

    def answered(exchange: Exchange) -> None:
        is_filtered = STATUS_FILTER in exchange.request.query
        (fault if is_filtered else good)(exchange)

    return answered


def _filtered_by(*statuses: str) -> Fault:
    """The list with these statuses, whatever statuses were asked for; all of it for none."""

    def answered(exchange: Exchange) -> None:
        target = urlsplit(exchange.request.target)
        query = [pair for pair in parse_qsl(target.query) if pair[0] != STATUS_FILTER]
        query += [(STATUS_FILTER, status) for status in statuses]
        exchange.reply(exchange.answer(f"{target.path}?{urlencode(query)}"))

    return answered


WRONG_FILTERS: Mapping[str, Fault] = {
    "ignored": where_filtered(_filtered_by()),
    "refused with 422": where_filtered(refusal(422, code="10031")),
    "refused with 400": where_filtered(refusal(400, code="10015")),
    "finished jobs": where_filtered(_filtered_by(*_FINISHED)),
    "an empty list": where_filtered(lambda exchange: exchange.reply(Reply(200, _EMPTY))),
}
