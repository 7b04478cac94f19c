"""Key sets that clients publish at a URL."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from healix_fhir.kernel.errors import HealixError
from smart_auth.oauth import remote_keys
from smart_auth.oauth.remote_keys import RemoteKeys
from tests.support.gate import Pool
from tests.support.oauth import app, assertion, key_pair, proving, public, server

KEY = key_pair()


class Publisher:
    """A web server with a key set; counts how often it is asked."""

    def __init__(self) -> None:
        self.body = public(KEY).encode()
        self.status = 200
        self.seen: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.seen.append(self.path)
                self.send_response(outer.status)
                self.send_header("Location", f"http://127.0.0.1:{outer.port}/elsewhere")
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Stay quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the keys are."""
        return f"http://127.0.0.1:{self.port}/jwks?a=b"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """A web server with the public half of `KEY`."""
    made = Publisher()
    yield made
    made.close()


def keys(remote: RemoteKeys, url: str, *kids: str) -> list[Any]:
    """The keys, or the reason why there are none, of one question after another."""

    async def main() -> list[Any]:
        found: list[Any] = []
        for kid in kids or ("k1",):
            try:
                found.append([key.kid for key in (await remote.keys(url, kid)).keys])
            except HealixError as error:
                found.append(error.message)
        return found

    return asyncio.run(main())


def test_client_with_published_keys(database_url: str, pool: Pool, publisher: Publisher) -> None:
    """A client whose keys are at a URL proves itself with them; they are fetched once for many requests."""
    id_, _ = app(pool, scope="system/*.rs", auth="private_key_jwt", redirect_uris=(), jwks_uri=publisher.url)

    async def main(allow_private: bool) -> list[int]:
        async with server(database_url, allow_private=allow_private) as client:
            forms = [proving(assertion(KEY, id_)) for _ in range(5)]
            return [(await client.post("/oauth/token", data=form)).status_code for form in forms]

    assert asyncio.run(main(True)) == [200] * 5
    assert publisher.seen == ["/jwks?a=b"]
    assert asyncio.run(main(False)) == [401] * 5


def test_new_keys_are_noticed(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is not in the remembered set has it fetched anew, but not again and again."""
    remote = RemoteKeys(allow_private=True)
    assert keys(remote, publisher.url, "k1", "k1", "k2", "k2") == [["k1"]] * 4
    assert len(publisher.seen) == 1
    monkeypatch.setattr(remote_keys, "SOONEST", 0.0)
    publisher.body = public(KEY, key_pair(kid="k2")).encode()
    assert keys(remote, publisher.url, "k2", "k2", "k1") == [["k1", "k2"]] * 3
    assert len(publisher.seen) == 2
    monkeypatch.setattr(remote_keys, "REMEMBERED", 0.0)
    assert keys(remote, publisher.url, "k1") == [["k1", "k2"]]
    assert len(publisher.seen) == 3


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, b"", "status 404"),
        (302, b"", "status 302"),
        (200, b"no json", "no JSON"),
        (200, b"[" * 100_000, "at most"),
        (200, json.dumps({"keys": [{"kty": "oct", "k": "AA"}]}).encode(), "private key"),
    ],
)
def test_what_is_no_key_set(publisher: Publisher, status: int, body: bytes, reason: str) -> None:
    """Redirects are not followed, size is bounded, and what cannot be used is remembered for a while."""
    publisher.status, publisher.body = status, body
    one, two = keys(RemoteKeys(allow_private=True), publisher.url, "k1", "k1")
    assert reason in one
    assert one == two
    assert len(publisher.seen) == 1


@pytest.mark.spec("RFC 9700 4.9")
@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/jwks", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data", "https://[::1]/",
        "https://[fd00::1]/", "https://[::ffff:127.0.0.1]/", "https://0.0.0.0/", "https://localhost/jwks",
        "http://keys.example/jwks", "file:///etc/passwd", "https://user@keys.example/",
    ],
)  # fmt: skip
def test_internal_addresses_are_not_called(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is nobody's way into its own network."""
    monkeypatch.setattr("healix_fhir.kernel.pinned.socket.create_connection", lambda *_a, **_k: pytest.fail("called"))
    assert keys(RemoteKeys(allow_private=False), url)[0].startswith("the client's keys cannot be fetched")


def test_names_that_lead_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A public name with an internal address among its addresses is not called."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("192.0.9.1", "10.0.0.1")]
    monkeypatch.setattr("healix_fhir.kernel.endpoint.socket.getaddrinfo", lambda *_a, **_k: found)
    monkeypatch.setattr("healix_fhir.kernel.pinned.socket.create_connection", lambda *_a, **_k: pytest.fail("called"))
    assert "private network" in keys(RemoteKeys(allow_private=False), "https://keys.example/jwks")[0]


def test_no_server(publisher: Publisher) -> None:
    """An address that does not answer is a reason without details of this server's network."""
    url = publisher.url.replace(str(publisher.port), "1")
    assert keys(RemoteKeys(allow_private=True), url) == [
        "the client's keys cannot be fetched: their address does not answer"
    ]
