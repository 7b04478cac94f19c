"""Parts of what an app asks for, chosen on the consent page."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.support.apps import allow, app, ask, granted, send, ticked, told
from tests.support.gate import Pool
from tests.support.portal import browser, sign_in

Use = Callable[[httpx.AsyncClient], Awaitable[None]]
OFFERED = re.compile(r'<input type="checkbox" name="scope" value="([^"]+)">')
LABS, VITALS = (
    f"patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|{code}"
    for code in ("laboratory", "vital-signs")
)

pytestmark = pytest.mark.usefixtures("people")


def browsing(url: str, use: Use) -> None:
    """Run `use` with a browser in which a patient is signed in."""

    async def main() -> None:
        async with browser(url) as client:
            await sign_in(client, "ada")
            await use(client)

    asyncio.run(main())


@pytest.mark.spec("SMART App Launch 2.2 app-launch.html#user-authorization")
def test_parts_are_offered_and_granted(database_url: str, pool: Pool) -> None:
    """Unticked beside what was asked for; instead of it they are granted, and remembered; with it they add nothing."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        page = await ask(client, client_id)
        offered = OFFERED.findall(page.text)
        assert {LABS, VITALS} <= set(offered)
        assert not set(offered) & set(ticked(page))
        assert "laboratory results" in page.text
        told(await allow(client, page, "patient/Patient.rs", LABS, VITALS))
        assert "code" in told(await ask(client, client_id, prompt="none"))
        told(await allow(client, await ask(client, client_id, prompt="consent"), "patient/Observation.rs", LABS))

    browsing(database_url, use)
    assert [grant.scope for grant in granted(pool)] == [
        f"patient/Patient.rs {LABS} {VITALS}",
        f"patient/Patient.rs {LABS} {VITALS}",
        "patient/Observation.rs",
    ]


def test_no_part_of_what_was_not_asked_for(database_url: str, pool: Pool) -> None:
    """A part of a type that was not offered is not granted."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        page = await ask(client, client_id, scope="patient/Patient.rs openid")
        assert OFFERED.findall(page.text) == []
        refused = await send(client, page, "authorize/decision", decision="allow", scope=[LABS])
        assert refused.status_code == 400

    browsing(database_url, use)
    assert granted(pool) == []


def test_an_app_that_asks_for_parts(database_url: str, pool: Pool) -> None:
    """A query that an app asks for is told in words, and granted in the app's own; one that cannot be is left out."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        asked = f"{VITALS} patient/Observation.rs?category=a&status=final patient/Observation.rs?family=a openid"
        page = await ask(client, client_id, scope=asked)
        assert "See: vital signs" in page.text
        assert "only with category a and status final" in page.text
        assert "family" not in page.text
        told(await allow(client, page))
        refused = told(await ask(client, client_id, scope="patient/Observation.rs?subject.name=a"))
        assert refused["error"] == "invalid_scope"

    browsing(database_url, use)
    assert [grant.scope for grant in granted(pool)] == [
        f"{VITALS} patient/Observation.rs?category=a&status=final openid"
    ]
