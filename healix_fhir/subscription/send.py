"""Sends one notification over HTTP: to the checked address, within a deadline, without following redirects.

The standard library's client is used: it allows the connection to be made to an address that was checked before, while
TLS still verifies the name.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from threading import Timer

from healix_fhir.kernel.errors import HealixError
from healix_fhir.subscription.endpoint import Endpoint, check_endpoint, resolve

TIMEOUT = 5.0
DEADLINE = 15.0


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification to send: `suffix` goes behind the endpoint's path; without a body it is an empty POST."""

    seq: int
    subscription: str
    type: str
    id: str
    attempts: int
    endpoint: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a notification was not taken, without details of this server's network; `final`: trying again is useless."""

    reason: str
    final: bool = False


def send(notice: Notice, *, allow_private: bool) -> Failure | None:
    """None when the receiver took it (2xx), else why not.

    With a body it is `PUT [endpoint]/[type]/[id]`, the form of a FHIR update; R4 leaves that open, and receivers that
    speak FHIR expect it.
    """
    try:
        endpoint = check_endpoint(notice.endpoint, allow_private=allow_private)
        address = resolve(endpoint.host, endpoint.port, allow_private=allow_private)
        status = _request(endpoint, address, notice)
    except HealixError as error:
        return Failure(error.message, final=True)
    except ssl.SSLCertVerificationError:
        return Failure("the endpoint's certificate is not valid")
    except TimeoutError:
        return Failure("the endpoint did not answer in time")
    except (OSError, http.client.HTTPException, ValueError):
        return Failure("the endpoint cannot be reached")
    return None if 200 <= status < 300 else Failure(f"the endpoint answered with the status {status}")


def _request(endpoint: Endpoint, address: str, notice: Notice) -> int:
    connection = _connection(endpoint, address)
    cut = Timer(DEADLINE, _cut, (connection,))
    cut.start()
    try:
        connection.connect()
        method, path = "POST", endpoint.path or "/"
        headers = {"User-Agent": "Healix", "Connection": "close", **dict(notice.headers)}
        if notice.body is not None:
            method, path = "PUT", f"{endpoint.path}/{notice.type}/{notice.id}"
            headers["Content-Type"] = "application/fhir+json"
        query = f"?{endpoint.query}" if endpoint.query else ""
        connection.request(method, path + query, body=notice.body or b"", headers=headers)
        return connection.getresponse().status
    finally:
        cut.cancel()
        connection.close()


def _cut(connection: http.client.HTTPConnection) -> None:
    """End a conversation that takes too long, wherever it is."""
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _connection(endpoint: Endpoint, address: str) -> http.client.HTTPConnection:
    if endpoint.secure:
        return _PinnedTLS(endpoint, address)
    return _Pinned(endpoint, address)


class _Pinned(http.client.HTTPConnection):
    """Speaks to `endpoint.host`, connected to `address`."""

    def __init__(self, endpoint: Endpoint, address: str) -> None:
        super().__init__(endpoint.host, endpoint.port, timeout=TIMEOUT)
        self._address = address

    def connect(self) -> None:
        """Connect to the checked address."""
        self.sock = socket.create_connection((self._address, self.port), TIMEOUT)


class _PinnedTLS(http.client.HTTPSConnection):
    """The same over TLS, which verifies the host's name."""

    def __init__(self, endpoint: Endpoint, address: str) -> None:
        super().__init__(endpoint.host, endpoint.port, timeout=TIMEOUT, context=_tls())
        self._address = address

    def connect(self) -> None:
        """Connect to the checked address."""
        self.sock = socket.create_connection((self._address, self.port), TIMEOUT)
        self.sock = _tls().wrap_socket(self.sock, server_hostname=self.host)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
