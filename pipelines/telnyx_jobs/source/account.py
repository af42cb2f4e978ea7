"""Whether the key belongs to the account whose jobs are loaded already.

Jobs carry no account id and the API cannot say whose key it is. So one loaded job must be shown
again, by the list or by its id, before anything is written.
"""

from collections.abc import Iterable, Sequence

from telnyx_jobs.api.client import Client
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.source.loaded import Loaded

ASKED = 3
"""Loaded jobs, the newest ones, that are asked for by id when the list shows none."""


class AccountCheck:
    """Asks once per run. `skip` takes the key for the right one (`--same-account`)."""

    def __init__(self, client: Client, loaded: Loaded, *, skip: bool = False) -> None:
        self._client = client
        self._loaded = loaded
        self._is_settled = skip

    def confirm(self, shown: Sequence[str]) -> None:
        """Raises BadConfiguration when the API shows no loaded job, neither `shown` nor by id."""
        if self._is_settled or self._loaded.versions(shown):
            self._is_settled = True
            return
        newest = self._loaded.newest_job_ids(ASKED)
        if newest and not knows_one(self._client, newest):
            raise BadConfiguration(
                "the key is of another account than the loaded jobs, of which the API shows none: "
                "give the account's own key, or another --database. If the account is the same "
                "and Telnyx has deleted all of its jobs, add --same-account"
            )
        self._is_settled = True


def knows_one(client: Client, job_ids: Iterable[str]) -> bool:
    """Whether the API knows one of these jobs; they are asked for one by one."""
    return any(client.job(job_id) is not None for job_id in job_ids)
