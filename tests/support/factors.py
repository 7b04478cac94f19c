"""People with a second factor, and what they type."""

from __future__ import annotations

import re
import time

import httpx
import pyotp

from healix_fhir.kernel.database import transaction
from smart_auth.oauth.factors import recovery, totp
from tests.support.gate import Pool
from tests.support.portal import SEAL, csrf

SECOND = "/account/login/second"
SETUP = "/account/login/setup"
SECURITY = "/account/security"
SHOWN = re.compile(r"<code>([A-Z2-7]{4})</code>")
CODE = re.compile(r"<li><code>([0-9a-z-]{19})</code></li>")


def with_app(pool: Pool, username: str) -> pyotp.TOTP:
    """The authenticator app of an account, set up some minutes ago."""
    transaction(pool, lambda: totp.propose(SEAL, username))
    secret = transaction(pool, lambda: totp.proposed(SEAL, username))
    assert secret is not None
    app, before = pyotp.TOTP(secret), time.time() - 300
    assert transaction(pool, lambda: totp.confirm(SEAL, username, app.at(before), before))
    return app


def with_codes(pool: Pool, username: str) -> tuple[str, ...]:
    """The recovery codes of an account."""
    return transaction(pool, lambda: recovery.make(username))


async def second(client: httpx.AsyncClient, **fields: str) -> httpx.Response:
    """Fill in the page of the second step."""
    return await client.post(SECOND, data={"csrf": csrf(await client.get(SECOND)), **fields})


async def set_up_app(client: httpx.AsyncClient, place: str = SECURITY) -> tuple[pyotp.TOTP, httpx.Response]:
    """Set an authenticator app up as the pages ask; the app, and the answer to its first code."""
    page = await client.post(f"{place}/authenticator", data={"csrf": csrf(await client.get(place))})
    page = await client.get(page.headers["location"])
    app = pyotp.TOTP("".join(SHOWN.findall(page.text)))
    fields = {"csrf": csrf(page), "code": app.now()}
    return app, await client.post(f"{place}/authenticator/confirm", data=fields)


def codes_of(page: httpx.Response) -> list[str]:
    """The recovery codes that a page shows."""
    return CODE.findall(page.text)
