"""What no text holds, sent to any page."""

from __future__ import annotations

import re
from typing import cast

import httpx
from starlette.routing import Route

from healix_fhir.pages.routes import routes
from healix_fhir.pages.site import Site
from tests.integration.pages.test_admin_clients import administering
from tests.support.gate import Pool
from tests.support.portal import account, csrf

PLACE = re.compile(r"\{\w+\}")
ROUTES = [route for route in routes(cast("Site", None)) if isinstance(route, Route)]
FIELDS = ("client", "code", "institution", "name", "number", "reason", "session")


def test_no_page_takes_a_nul(database_url: str, pool: Pool) -> None:
    """A NUL in an address, in its query or in a form is the sender's mistake everywhere, never the server's failure."""
    account(pool, "root", "admin")
    shown = {route.path for route in ROUTES if "POST" not in (route.methods or ())}
    sent = {route.path for route in ROUTES if "POST" in (route.methods or ())}

    async def use(client: httpx.AsyncClient) -> None:
        token = csrf(await client.get("/account/"))
        found = [await client.get(PLACE.sub("%00", path), params={"q": "\0"}) for path in sorted(shown)]
        for path in sorted(sent):
            fields = {"csrf": token, "days": "1", "name": "a"} | dict.fromkeys(FIELDS, "\0")
            found += [await client.post(PLACE.sub("a", path), data=fields)]
        failed = [f"{one.request.method} {one.request.url.path}" for one in found if one.status_code >= 500]
        assert failed == []
        assert sum(one.status_code == 400 for one in found) > len(found) * 0.8

    administering(database_url, use)
