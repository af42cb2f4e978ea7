"""The demo account at one instant, and clients and processes to look at it with."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import schemathesis

from telnyx_jobs.demo_api import Account, FakeApi

NOW = datetime(2026, 11, 23, 12, 34, 56, 789_000, tzinfo=UTC)
ERROR_PAGE = "https://developers.telnyx.com/docs/overview/errors/"

# one account for all tests, so that what has finished is drawn once
ACCOUNT = Account()
SCHEMA = schemathesis.openapi.from_path(Path(__file__).parents[1] / "data" / "openapi.json")
JOBS = "/v2/phone_numbers/jobs"


def client_of(api: FakeApi, key: str | None = None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key or api.key}"}
    return httpx.Client(base_url=api.url, headers=headers, trust_env=False)


def python_process(program: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    )
