"""HTTP connections to an address that was checked before, within a deadline.

The standard library's client is used: it allows the connection to be made to such an address, while TLS still verifies
the name; it follows no redirects.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Timer

from healix_fhir.kernel.endpoint import Endpoint

TIMEOUT = 5.0
DEADLINE = 15.0


@contextmanager
def pinned(endpoint: Endpoint, address: str, *, deadline: float = DEADLINE) -> Iterator[http.client.HTTPConnection]:
    """A connection to `address`, which `endpoint.host` was resolved to; cut after `deadline` seconds in any case."""
    connection = _PinnedTLS(endpoint, address) if endpoint.secure else _Pinned(endpoint, address)
    cut = Timer(deadline, _cut, (connection,))
    cut.start()
    try:
        connection.connect()
        yield connection
    finally:
        cut.cancel()
        connection.close()


def _cut(connection: http.client.HTTPConnection) -> None:
    """End a conversation that takes too long, wherever it is."""
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


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
        plain = socket.create_connection((self._address, self.port), TIMEOUT)
        tls = _tls().wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock = tls  # before the handshake, so that the deadline can cut it too
        tls.do_handshake()


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
