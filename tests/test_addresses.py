"""Which addresses the program takes from a user."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telnyx_jobs.addresses import checked_base_url, http_address
from telnyx_jobs.errors import BadConfiguration


@pytest.mark.parametrize(
    ("given_url", "used"),
    [
        ("https://api.telnyx.com/v2", "https://api.telnyx.com/v2"),
        ("https://api.telnyx.com/v2/", "https://api.telnyx.com/v2"),
        (" https://api.telnyx.eu/v2\n", "https://api.telnyx.eu/v2"),
        ("https://gateway.example:8443/telnyx/v2/", "https://gateway.example:8443/telnyx/v2"),
        ("http://127.0.0.1:8080/v2", "http://127.0.0.1:8080/v2"),
        ("http://127.8.9.10/v2", "http://127.8.9.10/v2"),
        ("http://[::1]:8080/v2/", "http://[::1]:8080/v2"),
        ("http://localhost/v2", "http://localhost/v2"),
    ],
)
def test_base_url(given_url: str, used: str) -> None:
    """An address by https, or by http on loopback, is used without the slash at its end."""
    assert checked_base_url(given_url) == used


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.telnyx.com/v2",
        "//api.telnyx.com/v2",
        "ftp://api.telnyx.com/v2",
        "file:///etc/passwd",
        "https://",
        "https:///v2",
        "https://user:secret@api.telnyx.com/v2",
        "https://secret@api.telnyx.com/v2",
        "https://api.telnyx.com/v2?key=secret",
        "https://api.telnyx.com/v2?",
        "https://api.telnyx.com/v2#secret",
        "https://api.telnyx.com:port/v2",
        "https://api.telnyx.com:99999/v2",
        "https://api..telnyx.com/v2",
        f"https://{'a' * 64}.com/v2",
        "https://xn--/v2",
        "https://\ud800/v2",
        "https://api.telnyx.com/\nv2",
        "https://[::1/v2",
        "http://api.telnyx.com/v2",
        "http://10.0.0.1/v2",
        "http://0.0.0.0/v2",
        "http://localhost.example.com/v2",
        "http://127.0.0.1.example.com/v2",
        "http://127.0.0.1@example.com/v2",
        "http://[2001:db8::1]/v2",
    ],
)
def test_unusable_base_url(url: str) -> None:
    """Any other address is refused, and a password in it is not printed."""
    with pytest.raises(BadConfiguration) as refused:
        checked_base_url(url)
    assert "secret" not in str(refused.value)


@given(st.text() | st.text().map("https://{}".format) | st.text().map("http://127.0.0.1{}".format))
def test_any_base_url(url: str) -> None:
    """No text at all is a base URL that breaks the check."""
    try:
        used = checked_base_url(url)
    except BadConfiguration:
        return
    assert used.startswith(("https://", "http://127.0.0.1"))
    assert checked_base_url(used) == used


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/services/secret?key=1#x",
        "http://user:password@10.0.0.1:8080/",
        " https://example.com\n",
    ],
)
def test_only_a_plain_address_has_no_password_or_query(url: str) -> None:
    """A webhook may carry a user, a password or a query, and go to any host."""
    assert str(http_address(url)) == str(http_address(url.strip()))
    assert (http_address(url, plain=True) is None) == ("?" in url or "@" in url)


@pytest.mark.parametrize("text", ["", "nowhere", "ftp://example.com", "http:///", "http://[::"])
def test_no_address(text: str) -> None:
    """What no request can be sent to is not an address."""
    assert http_address(text) is None
