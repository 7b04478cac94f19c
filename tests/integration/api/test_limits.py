"""Limits as callers of each edge meet them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.live_server import LiveServer, live_server

LIMITS = "token-guess=2/60,authorize=1/60"


@pytest.fixture
def limited(database_url: str, tmp_path: Path) -> Iterator[LiveServer]:
    """A server with tight limits."""
    with live_server(database_url, tmp_path, rate_limits=LIMITS) as running:
        yield running


def bad(server: LiveServer, path: str, n: int) -> httpx.Response:
    """The answer to a token that is not good."""
    return httpx.get(f"{server.url}{path}", headers={"Authorization": f"Bearer guess-{n}"})


@pytest.mark.spec("draft-ietf-httpapi-ratelimit-headers-11 6")
@pytest.mark.parametrize("path", ["/fhir/Patient/1", "/dicomweb/studies"])
def test_guessing_tokens(limited: LiveServer, path: str) -> None:
    """Too many tokens that are not good are told to wait, in the words of the edge; no token at all is still 401, and
    a good one of the same address is never held.
    """
    assert [bad(limited, path, n).status_code for n in range(2)] == [401, 401]
    answer = bad(limited, path, 3)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert answer.headers["ratelimit-policy"] == '"token-guess";q=2;w=60'
    assert answer.headers["ratelimit"] == f'"token-guess";r=0;t={answer.headers["retry-after"]}'
    assert "www-authenticate" not in answer.headers
    if path.startswith("/fhir"):
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert answer.json()["issue"][0]["code"] == "throttled"
    assert httpx.get(f"{limited.url}{path}").status_code == 401
    with limited.client("system/*.rs") as client:
        assert client.get(path).status_code in (200, 404)
    assert bad(limited, path, 4).status_code == 429


def test_authorization_requests(limited: LiveServer) -> None:
    """A browser that comes with too many requests of apps gets a page that tells it to wait."""
    address = f"{limited.url}/oauth/authorize?client_id=nobody"
    assert httpx.get(address).status_code == 400
    answer = httpx.get(address)
    assert answer.status_code == 429
    assert "<h1>" in answer.text
    assert answer.headers["ratelimit-policy"] == '"authorize";q=1;w=60'
    assert int(answer.headers["retry-after"]) > 0
