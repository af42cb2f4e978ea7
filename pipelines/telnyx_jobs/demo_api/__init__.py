"""The demo API: Telnyx's two job endpoints on loopback, over a seeded account that moves on.

    account = Account(seed=0)
    with serve(lambda: account.jobs(datetime.now(UTC))) as api:
        httpx.get(f"{api.url}/phone_numbers/jobs", headers={"Authorization": f"Bearer {api.key}"})

`history` is the account: `parameters` and `numbers` are what its jobs ask for, `failures` and
`outcomes` what fails in it. `answers` is what Telnyx replies to a request, `server` the HTTP around
it. The package imports nothing else of `telnyx_jobs`, so it cannot repeat
a mistake of the connector that is tested against it.
"""

from telnyx_jobs.demo_api.history import Account
from telnyx_jobs.demo_api.server import DEMO_KEY, FakeApi, serve, serve_forever

__all__ = ["DEMO_KEY", "Account", "FakeApi", "serve", "serve_forever"]
