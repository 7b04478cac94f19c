"""The viewer that the server serves: registered by it, given access without a question, and nobody else by its name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from healix_fhir.kernel.database import transaction
from smart_auth.oauth.own_viewer import ASKED, ID, PATH, register_viewer
from tests.support.apps import app, ask, asking, granted
from tests.support.gate import Pool
from tests.support.live_server import live_server
from tests.support.portal import browser, csrf, sign_in

HERE = f"http://healix.test{PATH}"
pytestmark = pytest.mark.usefixtures("people")


def browsing(url: str, use: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    """Run `use` with a browser."""

    async def main() -> None:
        async with browser(url) as client:
            await use(client)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("username", "scope"),
    [
        ("ada", "openid online_access user/ImagingStudy.crs"),
        ("dr", "openid online_access user/ImagingStudy.crs"),
        ("root", "openid online_access"),
    ],
)
def test_access_by_role(database_url: str, pool: Pool, username: str, scope: str) -> None:
    """Who is signed in lets the viewer in without a page, as far as the role goes, and chooses no patient."""
    transaction(pool, lambda: register_viewer("http://healix.test"))

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, username)
        answer = await ask(client, ID, redirect_uri=HERE, scope=ASKED)
        assert answer.headers["location"].startswith(f"{HERE}?")
        assert [grant.scope for grant in granted(pool)] == [scope]

    browsing(database_url, use)


def test_nobody_else_passes_unasked(database_url: str, pool: Pool) -> None:
    """Another app with the same scopes is asked for, and the viewer's answers go to the server's own address only."""
    transaction(pool, lambda: register_viewer("http://healix.test"))
    other = app(pool, "Image viewer of this server", scope=ASKED)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        assert "Allow" in (await ask(client, other, scope=ASKED)).text
        elsewhere = await ask(client, ID, redirect_uri="https://elsewhere.example/ohif/callback", scope=ASKED)
        assert elsewhere.status_code == 400

    browsing(database_url, use)


def test_an_old_address_is_left(database_url: str, pool: Pool) -> None:
    """A server that has moved registers its viewer where it is now, and not where it was."""
    for root in ("http://old.test", "http://healix.test", "http://healix.test"):
        transaction(pool, lambda root=root: register_viewer(root))  # type: ignore[misc]
    with pool.connection() as connection:
        rows = connection.execute("SELECT redirect_uris FROM client WHERE id = %s", (ID,)).fetchall()
        audited = connection.execute("SELECT count(*) FROM audit_event WHERE client = %s", (ID,)).fetchone()
    assert rows == [([HERE],)]
    assert audited == (2,)


def test_signing_out_is_asked_for(database_url: str) -> None:
    """Who comes to sign out from elsewhere is asked; who is not signed in sees the login form."""

    async def use(client: httpx.AsyncClient) -> None:
        assert (await client.get("/account/logout")).headers["location"] == "/account/login"
        await sign_in(client, "ada")
        page = await client.get("/account/logout")
        assert "Sign out?" in page.text
        assert (await client.get("/account/")).status_code == 200
        await client.post("/account/logout", data={"csrf": csrf(page)})
        assert (await client.get("/account/")).headers["location"] == "/account/login"

    browsing(database_url, use)


def test_configuration_of_the_installed_viewer(module_database_url: str, tmp_path: Path) -> None:
    """An installed viewer is told where to sign in, and is registered by then; one that is not installed is not."""
    with live_server(module_database_url, tmp_path) as server, server.client() as client:
        asked = asking(ID, server.url, redirect_uri=server.url + PATH)
        assert client.get("/ohif/app-config.js").status_code == 404
        assert client.get("/oauth/authorize", params=asked).status_code == 400
        (tmp_path / "viewer").mkdir()
        (tmp_path / "viewer" / "index.html").write_text("<!doctype html>")
        script = client.get("/ohif/app-config.js")
        assert f'"authority": "{server.url}"' in script.text
        assert script.headers["content-type"].startswith("text/javascript")
        assert client.get("/oauth/authorize", params=asked).headers["location"].startswith("/account/authorize")
