"""A browser without a screen, over the pages of a server in the same process."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette

from dicomweb.archive.blobs import Archive
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import open_async_pool
from healix_fhir.pages.routes import routes
from healix_fhir.pages.site import Site
from smart_auth.denials import Denials
from smart_auth.oauth.factors.held import REQUIRED_OF
from smart_auth.oauth.limits import changed_rules
from smart_auth.oauth.passwords import hash_password
from smart_auth.oauth.seal import Seal
from smart_auth.oauth.throttle import Throttle
from tests.support.gate import Pool, user
from tests.support.search import BASE

SEAL = Seal(bytes(32))
PASSWORD = "correct horse battery"
CSRF = re.compile(r'name="csrf" value="([0-9a-f]+)"')


@asynccontextmanager
async def browser(
    url: str,
    *,
    secure: bool = False,
    address: str = "192.0.2.9",
    required: str = "none",
    limits: str = "",
    archive: Archive | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with cookies of its own, at `address`; `required` says of whom a second factor is required, `limits`
    are other ones than those of production; pictures are read from the `archive`.
    """
    pool = await open_async_pool(url, size=3)
    origin = "https://healix.test" if secure else "http://healix.test"
    site = Site(
        pool,
        Interactions(pool, (BASE,)),
        Denials(pool),
        Throttle(pool, changed_rules(limits)),
        origin,
        lambda: True,
        SEAL,
        REQUIRED_OF[required],
        tenant="clinic-7",
        archive=archive,
    )
    transport = httpx.ASGITransport(Starlette(routes=routes(site)), client=(address, 5))
    try:
        async with httpx.AsyncClient(transport=transport, base_url=origin) as client:
            yield client
    finally:
        site.verifier.close()
        await pool.close()


def csrf(page: httpx.Response) -> str:
    """The hidden field of a page's form."""
    found = CSRF.search(page.text)
    assert found is not None, page.text
    return found[1]


async def sign_in(client: httpx.AsyncClient, username: str, password: str = PASSWORD) -> httpx.Response:
    """Fill in the login form as a browser does."""
    page = await client.get("/account/login")
    fields = {"username": username, "password": password, "csrf": csrf(page)}
    return await client.post("/account/login", data=fields)


def account(pool: Pool, username: str, role: str, fhir_user: str | None = None) -> None:
    """An account with the password `PASSWORD`."""
    user(pool, username, role=role, fhir_user=fhir_user, password_hash=hash_password(PASSWORD))
