"""An API that serves records as they are given, which need not be JSON."""

import json
from collections.abc import Sequence
from urllib.parse import unquote

from support.faulty_api import Exchange, FaultyApi, Reply


class RawApi(FaultyApi):
    """A server of these records, given as text, by pages and by id."""

    key = "KEY_hostile"

    def __init__(self, records: Sequence[str]) -> None:
        self.records = list(records)
        super().__init__([], otherwise=self._answer)

    def _answer(self, exchange: Exchange) -> None:
        query = exchange.request.query
        if "page[number]" in query:
            size, number = int(query["page[size]"]), int(query["page[number]"])
            shown = self.records[(number - 1) * size : number * size]
            pages = -(-len(self.records) // size)
            body = (
                f'{{"data": [{", ".join(shown)}], "meta": {{"total_pages": {pages}, '
                f'"total_results": {len(self.records)}}}}}'
            )
            exchange.reply(Reply(200, body.encode(errors="surrogateescape")))
            return
        job_id = unquote(exchange.request.target.rpartition("/")[2])
        for text in self.records:
            if f'"id": {json.dumps(job_id)}' in text[:80_000]:
                body = f'{{"data": {text}}}'
                exchange.reply(Reply(200, body.encode(errors="surrogateescape")))
                return
        exchange.reply(Reply(404, b'{"errors": [{"code": "10005", "title": "Not found"}]}'))
