"""Where notifications may go."""

from __future__ import annotations

import socket

import pytest

from healix_fhir.kernel.endpoint import check_endpoint, is_public, resolve
from healix_fhir.kernel.errors import HealixError

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
    "255.255.255.255", "224.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::",
    "::127.0.0.1", "fec0::1", "64:ff9b:1::7f00:1", "100::1", "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    """No address of this machine, of a private network, of many receivers, or that wraps another one."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "193.0.6.139", "2001:4860:4860::8888"])
def test_public_addresses(address: str) -> None:
    """Addresses of the public internet are allowed."""
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "ftp://example.org/hook",
        "file:///etc/passwd",
        "https:///hook",
        "https://user:secret@example.org/hook",
        "https://example.org/hook#part",
        "https://example.org/a b",
        "https://example.org/\r\nX: y",
        "https://[::1/hook",
        "https://example.org:99999/",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://exämple.org/",
        "https://example.org/" + "x" * 3000,
        "example.org",
        "",
    ],
)
def test_endpoints_that_are_refused(url: str) -> None:
    """Only an https URL without secrets and of no private address is an endpoint."""
    with pytest.raises(HealixError, match="endpoint"):
        check_endpoint(url, allow_private=False)


def test_parts_of_an_endpoint() -> None:
    """Path and query are kept apart, so that the resource's address can go between them."""
    endpoint = check_endpoint("https://example.org:8443/a/b/?key=1", allow_private=False)
    assert (endpoint.secure, endpoint.host, endpoint.port) == (True, "example.org", 8443)
    assert (endpoint.path, endpoint.query) == ("/a/b", "key=1")
    assert check_endpoint("http://127.0.0.1/hook", allow_private=True).port == 80


def test_every_address_of_a_name_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with one public and one private address is refused: which one is used would be chance."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_keywords: found)
    with pytest.raises(HealixError, match="private"):
        resolve("example.org", 443, allow_private=False)
    assert resolve("example.org", 443, allow_private=True) == "8.8.8.8"
    found.pop()
    assert resolve("example.org", 443, allow_private=False) == "8.8.8.8"
