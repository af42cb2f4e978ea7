"""Buckets of S3, and of stores that speak like it: addresses, the way in, and what goes wrong.

Key, region and endpoint come from where AWS's own tools take them: the environment and `~/.aws`.
"""

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from telnyx_jobs.addresses import http_address
from telnyx_jobs.errors import BadConfiguration, CannotWrite, TelnyxJobsError

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

T = TypeVar("T")

_SCHEME = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_CONNECT_SECONDS = 5.0
_SILENT_SECONDS = 10.0
"""How long a connection may stand still; three seconds if not given."""
_ATTEMPTS = 3
_SIGNAL_SECONDS = 0.5
_FAILURE = re.compile(
    r"AWS Error (\w+(?: \(HTTP status \d+\))?).*? during (\w+) operation: "
    r"(?:curlCode: \d+, ([^;]*))?"
)
_REFUSALS = re.compile("DENIED|SIGNATURE|TOKEN|ACCESS_KEY|CREDENTIAL|FORBIDDEN|status 40[13]")


@dataclass(frozen=True)
class Address:
    """A place in a bucket; `prefix` has no slash at either end, and is empty for all of it."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, text: str) -> "Address":
        """The address that is written as s3://bucket/prefix. Raises ValueError."""
        bucket, _, prefix = text.removeprefix(_SCHEME).partition("/")
        if not text.startswith(_SCHEME) or not _BUCKET.fullmatch(bucket):
            # not repeated: keys of S3 are sometimes written into addresses
            raise ValueError("an export goes to a folder, or to s3://bucket/prefix")
        prefix = prefix.rstrip("/")
        if prefix and (not prefix.isprintable() or {"", ".", ".."} & set(prefix.split("/"))):
            raise ValueError(f"the prefix '{prefix}' has parts without a name")
        return cls(bucket, prefix)

    @property
    def path(self) -> str:
        """The address as pyarrow has it."""
        return f"{self.bucket}/{self.prefix}".rstrip("/")

    def __str__(self) -> str:
        return _SCHEME + self.path


def connect(address: Address) -> "S3FileSystem":
    """The bucket's side as a file system. Raises BadConfiguration, and OSError of pyarrow."""
    from pyarrow import fs

    endpoint = _endpoint()
    region = next((os.environ[name] for name in _REGIONS if os.environ.get(name)), None)
    if not endpoint and not region:
        region = fs.resolve_s3_region(address.bucket)
    return fs.S3FileSystem(
        region=region,
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_SILENT_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        # a small file is one request
        allow_delayed_open=True,
        # else all of a file may wait for the network in memory
        background_writes=False,
        **endpoint,
    )


def waited_for(call: Callable[..., T], *arguments: Any) -> T:
    """What the call gives. A signal ends the wait for it; a request itself it cannot end."""
    pool = ThreadPoolExecutor(1)
    try:
        answer = pool.submit(call, *arguments)
        # again and again: a signal that comes just before a wait begins does not end that one
        while not wait([answer], timeout=_SIGNAL_SECONDS).done:
            pass
        return answer.result()
    finally:
        pool.shutdown(wait=False)


@contextmanager
def told(address: Address) -> Iterator[None]:
    """Tells what fails at the bucket's side in one line, without keys."""
    try:
        yield
    except OSError as error:
        raise _failure(error, address) from None


def why(error: OSError) -> str:
    """What a store answered, in a few words of its own that hold no key."""
    found = _FAILURE.search(str(error))
    if not found:
        return error.strerror or "no answer that is understood"
    code, operation, of_network = found.groups()
    return (of_network or f"{code.replace('_', ' ')} at {operation}").strip().lower()


def _failure(error: OSError, address: Address) -> TelnyxJobsError:
    text = str(error)
    if "NO_SUCH_BUCKET" in text or text.startswith(f"Bucket '{address.bucket}' not found"):
        return BadConfiguration(
            f"there is no bucket {address.bucket}: create it, or give another --to"
        )
    if _REFUSALS.search(text):
        return CannotWrite(
            f"{address} refuses access ({why(error)}): set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, of who may list, read, write and delete there"
        )
    return CannotWrite(
        f"{address} cannot be written ({why(error)}): check the network, AWS_REGION and "
        "AWS_ENDPOINT_URL, and export again"
    )


def _endpoint() -> dict[str, Any]:
    """Where a store other than AWS answers, in pyarrow's terms; pyarrow does not look itself."""
    for name in _ENDPOINTS:
        if os.environ.get(name):
            address = http_address(os.environ[name], plain=True)
            if address is None or address.path != "/":
                raise BadConfiguration(f"{name} is no address such as https://host:9000: mend it")
            return {"scheme": address.scheme, "endpoint_override": address.netloc.decode()}
    return {}
