"""Where the server calls on behalf of others: public addresses over TLS, unless the operator allows private networks.

A Subscription or an app's key set must not make the server call what only the server can reach (server-side request
forgery). The name is resolved once, every address of it is checked, and the connection goes to the checked address: a
name that resolves to another address a moment later gains nothing. Of IPv6 only what is assigned as global unicast is
public: what wraps an IPv4 address, or belongs to a site, stands elsewhere.

Spec: IANA IPv6 Address Space (2000::/3); RFC 6890
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from healix_fhir.kernel.errors import invalid

LONGEST = 2000
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A parsed endpoint; `path` is without a slash at the end and without the query."""

    secure: bool
    host: str
    port: int
    path: str
    query: str


def check_endpoint(url: str, *, allow_private: bool) -> Endpoint:
    """The parts of an endpoint. Raises Invalid for what is no plain http(s) address, or may not be called."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise invalid("the endpoint is not a URL") from error
    printable = url.isascii() and url.isprintable() and " " not in url
    if not printable or len(url) > LONGEST or not host or parts.scheme not in ("http", "https"):
        raise invalid("the endpoint must be an https URL")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise invalid("the endpoint must have no user information and no fragment; use a header")
    if parts.scheme == "http" and not allow_private:
        raise invalid("the endpoint must be an https URL")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        literal = None
    if literal is not None and not allow_private and not is_public(str(literal)):
        raise invalid("the endpoint must not be an address of a private network")
    secure = parts.scheme == "https"
    return Endpoint(secure, host, port or (443 if secure else 80), parts.path.rstrip("/"), parts.query)


def resolve(host: str, port: int, *, allow_private: bool) -> str:
    """The address to connect to. Raises Invalid when any address of `host` may not be called, OSError for no name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(sockaddr[0]) for *_, sockaddr in found]
    if not allow_private and not all(is_public(address) for address in addresses):
        raise invalid("the endpoint is in a private network")
    return addresses[0]


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet, and no wrapping of another address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and (
        address not in GLOBAL_UNICAST or address.sixtofour is not None or address.teredo is not None
    ):
        return False
    return address.is_global and not address.is_multicast
