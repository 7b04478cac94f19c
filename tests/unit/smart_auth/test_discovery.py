"""Discovery claims what runs, and nothing else."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette

from smart_auth.api.well_known import routes
from smart_auth.scope import parse


@pytest.mark.spec("smart-app-launch/STU2.2/conformance.html#using-well-known")
def test_smart_configuration() -> None:
    """It answers JSON without a token and whatever is accepted, and claims no endpoint that is not there."""

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            return await client.get("/fhir/.well-known/smart-configuration", headers={"Accept": "text/html"})

    answer = asyncio.run(main())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["grant_types_supported"] == []
    assert not [name for name in document if name.endswith(("_endpoint", "_uri"))]
    assert not [name for name in document["capabilities"] if name.startswith(("launch", "sso", "client", "context"))]


def test_scopes_that_are_claimed_are_understood() -> None:
    """Each scope of the document parses."""
    from smart_auth.discovery import SCOPES

    for scope in SCOPES:
        assert len(parse(scope)) == 1
