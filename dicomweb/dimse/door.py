"""The ports that associations come in at: a listening socket each, with TLS behind it or not.

Nothing here waits: a connection is accepted, greeted (the handshake of TLS, as far as it goes) and seen off in pieces,
whenever its socket is ready, so that the gate holds any number of them.

Spec: PS3.15 B.12 (2024d), RFC 8446 6.1
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

BACKLOG = 256


class HandshakeError(Exception):
    """A handshake that came to no agreement; the peer has been told so by an alert."""


@dataclass(frozen=True, slots=True, eq=False)
class Door:
    """A listening socket that does not block, and what is spoken behind it at this moment where that is TLS."""

    listener: socket.socket
    tls: Callable[[], ssl.SSLContext] | None = None

    def accept(self) -> tuple[socket.socket, str]:
        """A connection that does not block, and the address of its peer.

        Raises ConnectionAbortedError for one that is over already, OSError where none can be taken.
        """
        connection, address = self.listener.accept()
        connection.setblocking(False)
        if self.tls is None:
            return connection, address[0]
        try:
            connection.getpeername()  # what is over is seen here: wrapped, it would be nobody's to close
            return self.tls().wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address[0]
        except OSError as error:
            connection.close()
            raise ConnectionAbortedError from error


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. One process has a port: what a peer may have at once is counted in it (presence.py)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listener.setblocking(False)
    return listener


def greet(connection: socket.socket) -> None:
    """Go on with the handshake. Raises HandshakeError, and as `recv` does: SSLWantReadError and others."""
    assert isinstance(connection, ssl.SSLSocket)
    try:
        connection.do_handshake()
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError):
        raise
    except ssl.SSLError as error:
        raise HandshakeError(f"TLS: {error.reason or 'no agreement'}") from error


def has_more(connection: socket.socket) -> bool:
    """Whether there is something to receive of which the socket does not tell, as it is decrypted already."""
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0


def finish(connection: socket.socket) -> None:
    """Say that nothing more comes, by the closing alert of TLS and by TCP. Raises OSError when the peer is gone."""
    if isinstance(connection, ssl.SSLSocket):
        connection.setblocking(False)
        with suppress(OSError, ValueError):
            connection.unwrap()
    connection.shutdown(socket.SHUT_WR)


def cut(connection: socket.socket) -> None:
    """End both ways at once, while another thread may be using it: what that one still sends goes nowhere.

    Of a connection over TLS only the socket is told, as the layer above would let go of TLS first and send in the clear
    what comes in between.
    """
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
