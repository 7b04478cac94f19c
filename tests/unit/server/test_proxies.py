"""Whose word on a caller's address counts."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

from healix_fhir.kernel.settings import Settings
from healix_fhir.server.web import configuration
from tests.support.asgi import request

PROXIES = "192.0.2.1, 10.0.0.0/8, 2001:db8::/32"


async def who(asked: Request) -> Response:
    """The caller's address as the server takes it."""
    return PlainTextResponse(asked.client.host if asked.client else "")


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "caller"),
    [
        ("", "127.0.0.1", "203.0.113.9", "127.0.0.1"),
        ("", "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        (PROXIES, "192.0.2.1", "203.0.113.9", "203.0.113.9"),
        (PROXIES, "192.0.2.2", "203.0.113.9", "192.0.2.2"),
        (PROXIES, "127.0.0.1", "203.0.113.9", "127.0.0.1"),
        (PROXIES, "10.1.2.3", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (PROXIES, "10.1.2.3", "203.0.113.9, 10.9.9.9", "203.0.113.9"),
        (PROXIES, "2001:db8::5", "2001:db9::7", "2001:db9::7"),
        (PROXIES, "10.1.2.3", "", "10.1.2.3"),
    ],
)
def test_addresses_come_from_trusted_proxies_only(trusted: str, peer: str, forwarded: str, caller: str) -> None:
    """The caller is the last address of X-Forwarded-For that is no trusted proxy's; others' word counts nothing."""
    config = configuration(Router([Route("/", who)]), Settings(trusted_proxies=trusted))
    headers = {"X-Forwarded-For": forwarded}
    assert request(config.loaded_app, "GET", "/", headers=headers, client=(peer, 1)).body.decode() == caller
