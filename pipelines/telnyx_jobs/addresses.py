"""Addresses that a user gives: the API's, a webhook's, a bucket's server's."""

import ipaddress
from typing import TYPE_CHECKING

from telnyx_jobs.errors import BadConfiguration

if TYPE_CHECKING:
    import httpx


def http_address(text: str, *, plain: bool = False) -> "httpx.URL | None":
    """The http(s) address in the text; None if no request can be sent to it.

    A `plain` one has no user, no password, no query and no fragment.
    """
    # slow to import, and `--help` needs no address
    import httpx

    try:
        url = httpx.URL(text.strip())
        # httpx checks neither, and fails later with errors of its own
        is_name = bool(url.host.encode("idna")) and "%" not in url.host
        is_reachable = is_name and 0 < (url.port or 443) < 65_536
    except (httpx.InvalidURL, ValueError):
        return None
    is_plain = not (url.userinfo or "?" in text or "#" in text)
    is_usable = url.scheme in ("http", "https") and is_reachable and (is_plain or not plain)
    return url if is_usable else None


def checked_base_url(base_url: str) -> str:
    """The API's address without a slash at its end.

    Raises BadConfiguration for one that is not usable or that would send the key unencrypted.
    """
    url = http_address(base_url, plain=True)
    if url is None:
        raise BadConfiguration(
            "the base URL is not a plain http(s) address: "
            "give one such as https://api.telnyx.com/v2 in --base-url or TELNYX_BASE_URL"
        )
    if url.scheme == "http" and not _is_loopback(url.host):
        raise BadConfiguration(
            f"the base URL would send the key to {url.host} unencrypted: use https"
        )
    return str(url).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
