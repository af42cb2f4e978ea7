"""Where Delta Lake tables go: a folder, or a bucket of S3 or of a store with the same API.

Key, region and endpoint come from where AWS's own tools find them: the environment and `~/.aws`.
"""

import os
import re
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telnyx_jobs.addresses import http_address
from telnyx_jobs.errors import BadConfiguration, CannotWrite, TelnyxJobsError
from telnyx_jobs.threads import T, in_thread

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem, S3FileSystem

_SCHEME = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_CONNECT_SECONDS = 5.0
_SILENT_SECONDS = 10.0
"""How long a connection may be silent; three seconds if not given."""
_ATTEMPTS = 3
_SIGNAL_SECONDS = 0.5
_FAILURE = re.compile(
    r"AWS Error (\w+(?: \(HTTP status \d+\))?).*? during (\w+) operation: "
    r"(?:curlCode: \d+, ([^;]*))?"
)
_STATUS = re.compile(r"status code\D*(\d{3} [A-Za-z ]+)")
"""How deltalake reports an answer."""
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_REFUSALS = re.compile(
    r"DENIED|SIGNATURE|TOKEN|ACCESS_KEY|CREDENTIAL|FORBIDDEN|status 40[13]|status code\D*40[13]"
)


@dataclass(frozen=True)
class Address:
    """A place in a bucket; `prefix` has no slash at either end, and is empty for all of it."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, text: str) -> "Address":
        """Parse an address such as s3://bucket/prefix. Raises ValueError."""
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
    """The store as a file system. Raises BadConfiguration, and OSError of pyarrow."""
    from pyarrow import fs

    return fs.S3FileSystem(
        region=_region(address),
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_SILENT_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        # a small file is one request
        allow_delayed_open=True,
        # otherwise a whole file may wait for the network in memory
        background_writes=False,
        **_endpoint(),
    )


def storage_options(address: Address) -> dict[str, str]:
    """Settings that deltalake does not read from the environment, in its own terms."""
    options = {
        "connect_timeout": f"{_CONNECT_SECONDS:.0f}s",
        "max_retries": str(_ATTEMPTS),
        "aws_conditional_put": "etag",
    }
    endpoint = _endpoint()
    if endpoint:
        scheme = endpoint["scheme"]
        options |= {
            "aws_endpoint_url": f"{scheme}://{endpoint['endpoint_override']}",
            "aws_allow_http": str(scheme == "http").lower(),
            # otherwise it reads keys from the environment only
            "aws_force_credential_load": "true",
        }
    options["aws_region"] = _region(address) or "us-east-1"
    return options


def _region(address: Address) -> str | None:
    """The configured region, else that of a bucket of AWS."""
    from pyarrow import fs

    region = next((os.environ[name] for name in _REGIONS if os.environ.get(name)), None)
    return region or (None if _endpoint() else fs.resolve_s3_region(address.bucket))


@dataclass(frozen=True)
class Target:
    """Where tables go: the address for Delta, and the same place as a file system."""

    uri: str
    files: "FileSystem"
    options: dict[str, str]
    folder: Path | None = None

    @classmethod
    def of_folder(cls, folder: Path) -> "Target":
        """A folder, created if missing. Raises OSError."""
        from pyarrow import fs

        folder = folder.resolve()
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        files = fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem())
        return cls(str(folder), files, {}, folder)

    @classmethod
    def of_bucket(cls, address: Address) -> "Target":
        """A prefix of a bucket. Raises BadConfiguration, and OSError of pyarrow."""
        from pyarrow import fs

        files = fs.SubTreeFileSystem(address.path, connect(address))
        return cls(str(address), files, storage_options(address))


def waited_for(call: Callable[..., T], *arguments: Any) -> T:
    """What the call returns. A signal ends the wait for it, but cannot end the request itself."""
    answer = in_thread(lambda: call(*arguments))
    # repeated, because a signal just before a wait begins does not end that wait
    while not wait([answer], timeout=_SIGNAL_SECONDS).done:
        pass
    return answer.result()


def failure(error: Exception, address: Address) -> TelnyxJobsError:
    """What failed at the store, in one line without keys, from pyarrow's or deltalake's error."""
    text = _STYLE.sub("", str(error))
    if (
        "NoSuchBucket" in text
        or "NO_SUCH_BUCKET" in text
        or text.startswith(f"Bucket '{address.bucket}' not found")
    ):
        return BadConfiguration(
            f"the bucket {address.bucket} does not exist: create it, or give another --to"
        )
    if _REFUSALS.search(text):
        return CannotWrite(
            f"{address} refuses access ({_why(text)}): set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, with the right to list, read, write and delete"
        )
    return CannotWrite(
        f"{address} cannot be written ({_why(text)}): check the network, AWS_REGION and "
        "AWS_ENDPOINT_URL, and export again"
    )


def _why(text: str) -> str:
    """What a store answered, in a few of its words, without keys."""
    found = _FAILURE.search(text)
    if found:
        code, operation, of_network = found.groups()
        return (of_network or f"{code.replace('_', ' ')} at {operation}").strip().lower()
    status = _STATUS.search(text)
    return status[1].lower() if status else "unknown answer"


def _endpoint() -> dict[str, Any]:
    """The endpoint of a store other than AWS, in pyarrow's terms: pyarrow does not read it."""
    for name in _ENDPOINTS:
        if os.environ.get(name):
            address = http_address(os.environ[name], plain=True)
            if address is None or address.path != "/":
                raise BadConfiguration(
                    f"{name} is not an address such as https://host:9000: fix it"
                )
            return {"scheme": address.scheme, "endpoint_override": address.netloc.decode()}
    return {}
