"""Whether the key belongs to the account whose jobs are loaded already.

Jobs carry no account id and the API cannot say whose key it is. So one loaded job must be shown
again, by the list or by its id, before anything is written.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from telnyx_jobs.api.client import Client
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.page_cache import Found, PageCache
from telnyx_jobs.source.state import KeptState

ASKED = 3
"""The newest loaded jobs that are requested by id if the list shows none."""


@dataclass
class AccountCheck:
    """Checks once per run. One that is settled accepts the key (`--same-account`)."""

    client: Client
    loaded: Loaded
    is_settled: bool = False

    def confirm(self, shown: Sequence[str]) -> None:
        """Raises BadConfiguration if the API returns no loaded job, neither `shown` nor by id."""
        if self.is_settled or self.loaded.versions(shown):
            self.is_settled = True
            return
        newest = known_ids(self.loaded)
        if newest and not knows_one(self.client, newest):
            raise BadConfiguration(
                "the key is of another account than the loaded jobs, of which the API returns "
                "none: give the account's own key, or another --database. If the account is the "
                "same and Telnyx has deleted all of its jobs, run sync with --same-account"
            )
        self.is_settled = True


def known_ids(loaded: Loaded) -> list[str]:
    """Jobs that the API must know one of; those of pruned jobs if no other one is loaded."""
    return loaded.newest_job_ids(ASKED) or loaded.removals.job_ids


def pages_of_account(
    cache: PageCache, base: str, loaded: Loaded, client: Client
) -> Iterator[tuple[list[Found], KeptState]]:
    """The pages kept by a killed run, unless they are of another account."""
    newest = cache.first_job_ids(base, ASKED)
    # once jobs are loaded, no page of another account gets as far as the cache
    is_ours = cache.is_of_key() or bool(loaded.newest_job_ids(1)) or knows_one(client, newest)
    if newest and not is_ours:
        cache.clear()
    yield from cache.replay(base)


def knows_one(client: Client, job_ids: Iterable[str]) -> bool:
    """Whether the API knows one of these jobs; they are requested one by one."""
    return any(client.job(job_id) is not None for job_id in job_ids)
