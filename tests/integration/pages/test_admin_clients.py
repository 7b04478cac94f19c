"""Registered apps in the hands of an administrator, through the pages."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Awaitable, Callable

import httpx
import pytest

from healix_fhir.kernel.database import transaction
from healix_fhir.pages.admin.addresses import SENT, SHOWN
from smart_auth.api.bearer import TokenGate
from smart_auth.store import create_token
from tests.integration.smart_auth.test_token_code import ask
from tests.support.gate import Pool, header, open_gate
from tests.support.oauth import CALLBACK, app, code, exchange, key_pair, public
from tests.support.portal import account, browser, csrf, sign_in

Use = Callable[[httpx.AsyncClient], Awaitable[None]]
SECRET = re.compile(r'client_secret</dt><dd><code class="secret">([^<]+)<')
ID = re.compile(r'client_id</dt><dd><code class="secret">([^<]+)<')
NEW = {"name": "Heart <app>", "scope": "openid patient/*.rs", "redirect_uris": f"{CALLBACK}\nhttps://b.example/"}


def administering(url: str, use: Use, username: str = "root") -> None:
    """Run `use` with the browser of a signed-in account."""

    async def main() -> None:
        async with browser(url) as client:
            if username:
                await sign_in(client, username)
            await use(client)

    asyncio.run(main())


async def send(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Send a form as the pages make it."""
    token = csrf(await client.get("/account/"))
    return await client.post(path, data={"csrf": token, **fields})


def address(path: str) -> str:
    """An address of something that is not there: who may not come in does not learn so."""
    return path.replace("{id}", "x").replace("{username}", "x").replace("{uid}", "1.2.3")


@pytest.mark.parametrize(("username", "role"), [("dr", "practitioner"), ("ada", "patient"), ("", "")])
def test_only_administrators_come_in(database_url: str, pool: Pool, username: str, role: str) -> None:
    """Other roles are refused on every page and form, and audited; without a session there is only the sign-in."""
    if username:
        account(pool, username, role, f"{role.capitalize()}/x")

    async def use(client: httpx.AsyncClient) -> None:
        token = csrf(await client.get("/account/")) if username else "0" * 64
        answers = [await client.get(address(path)) for path in SHOWN]
        answers += [await client.post(address(path), data={"csrf": token}) for path in SENT]
        for answer in answers:
            assert answer.status_code == (403 if username else 303)
            assert username or answer.headers["location"] == "/account/login"

    administering(database_url, use, username)
    with pool.connection() as connection:
        rows = connection.execute("SELECT entity FROM audit_event WHERE subtype = 'page' AND query IS NULL").fetchall()
    assert bool(rows) is bool(username)
    assert {row[0] for row in rows} <= {address(path) for path in [*SHOWN, *SENT]}


def test_forms_from_elsewhere_do_nothing(database_url: str, pool: Pool) -> None:
    """A form without the hidden value, with another browser's, or sent by another site is refused."""
    account(pool, "root", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        good = csrf(await client.get("/account/"))
        for path in map(address, SENT):
            assert (await client.post(path, data={"name": "x"})).status_code == 403
            assert (await client.post(path, data={"csrf": "0" * 64})).status_code == 403
            foreign = await client.post(path, data={"csrf": good}, headers={"Sec-Fetch-Site": "cross-site"})
            assert foreign.status_code == 403

    administering(database_url, use)


def test_registering(database_url: str, pool: Pool) -> None:
    """An app is registered, its secret shown once, and found by name and by client_id; names are shown as they are."""
    account(pool, "root", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        made = await send(client, "/admin/clients", auth="client_secret_post", **NEW)
        id_, secret = ID.findall(made.text)[0], SECRET.findall(made.text)[0]
        assert (made.status_code, made.headers["cache-control"], len(secret)) == (200, "no-store", 43)
        for asked in ("heart", id_):
            listed = await client.get("/admin/clients", params={"q": asked})
            assert "Heart &lt;app&gt;" in listed.text
        assert "Heart" not in (await client.get("/admin/clients", params={"q": "liver"})).text
        shown = (await client.get(f"/admin/clients/{id_}")).text
        assert CALLBACK in shown
        assert secret not in shown
        assert "script" not in (await client.get(f"/admin/clients/{id_}")).headers["content-security-policy"]

    administering(database_url, use)
    with pool.connection() as connection:
        rows = connection.execute(
            "SELECT action, account, address FROM audit_event WHERE subtype = 'client'"
        ).fetchall()
    assert rows == [("C", "root", "192.0.2.9")]


def test_vouching(database_url: str, pool: Pool) -> None:
    """An app that registered itself is told apart until it is vouched for; what an administrator registers is not."""
    account(pool, "root", "admin")
    id_, _ = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        at = f"/admin/clients/{id_}"
        assert ", by itself" in (await client.get(at)).text
        assert (await send(client, f"{at}/vouch")).headers["location"] == at
        shown = (await client.get(at)).text
        assert "by itself" not in shown
        assert "vouched for" in shown
        made = await send(client, "/admin/clients", auth="client_secret_post", **NEW)
        assert "by itself" not in (await client.get(f"/admin/clients/{ID.findall(made.text)[0]}")).text
        assert (await send(client, "/admin/clients/unknown/vouch")).status_code == 404

    administering(database_url, use)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": ""}, "1 to 200 characters"),
        ({"scope": "nonsense"}, "nonsense"),
        ({"scope": "patient/Nonsense.rs"}, "Nonsense"),
        ({"redirect_uris": "http://a.example/"}, "no redirect URI"),
        ({"auth": "magic"}, "authentication of a client"),
        ({"auth": "private_key_jwt"}, "needs the client's keys"),
        ({"jwks": "{}"}, "keys are for clients"),
        ({"launch_uri": "javascript:alert(1)"}, "launch URI"),
        ({"post_logout_redirect_uris": "javascript:alert(1)"}, "redirect URI"),
    ],
)
def test_what_cannot_be_registered(database_url: str, pool: Pool, fields: dict[str, str], told: str) -> None:
    """The form comes back with the reason and with what was typed; nothing is registered."""
    account(pool, "root", "admin")
    typed = NEW | {"auth": "none"} | fields

    async def use(client: httpx.AsyncClient) -> None:
        answer = await send(client, "/admin/clients", **typed)
        assert answer.status_code == 400
        text = html.unescape(answer.text)
        assert told in text
        assert typed["scope"] in text
        assert "Traceback" not in text

    administering(database_url, use)
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM client").fetchone() == (0,)


def test_changing(database_url: str, pool: Pool) -> None:
    """Name, scopes, redirect URIs and keys change; how it proves itself does not; each change is in the trail."""
    account(pool, "root", "admin")
    id_, _ = app(pool, auth="private_key_jwt", jwks=public(key_pair()), scope="system/*.rs", redirect_uris=())

    async def use(client: httpx.AsyncClient) -> None:
        keys = public(key_pair(kid="k2"))
        fields = {"name": "New name", "scope": "system/Patient.rs", "jwks": keys, "grant": "client_credentials"}
        changed = await send(client, f"/admin/clients/{id_}/change", **fields)
        assert (changed.status_code, changed.headers["location"]) == (303, f"/admin/clients/{id_}")
        bad = await send(client, f"/admin/clients/{id_}/change", **fields | {"scope": "system/Nothing.rs"})
        assert bad.status_code == 400
        shown = await client.get(f"/admin/clients/{id_}")
        assert "registered for system/Patient.rs" in shown.text
        assert "New name" in shown.text
        assert (await send(client, "/admin/clients/unknown/change", **fields)).status_code == 404

    administering(database_url, use)
    with pool.connection() as connection:
        assert connection.execute("SELECT name, auth, scope, jwks LIKE '%k2%', grants FROM client").fetchone() == (
            "New name", "private_key_jwt", "system/Patient.rs", True, ["client_credentials"],
        )  # fmt: skip


def test_a_new_secret(database_url: str, pool: Pool) -> None:
    """The new secret is shown once and is the only good one from then on."""
    account(pool, "root", "admin")
    id_, old = app(pool, auth="client_secret_post")
    secrets: list[str] = []

    async def use(client: httpx.AsyncClient) -> None:
        secrets.extend(SECRET.findall((await send(client, f"/admin/clients/{id_}/secret")).text))

    administering(database_url, use)
    patient(pool)
    for secret, status in ((str(old), 401), (secrets[0], 200)):
        form = exchange(id_, code(pool, id_), client_secret=secret)
        assert ask(database_url, form)[0].status_code == status


def patient(pool: Pool) -> None:
    """The account whose grants the tests make."""
    account(pool, "ada", "patient", "Patient/p1")


def test_closing_ends_everything_at_once(database_url: str, pool: Pool) -> None:
    """A closed app gets nothing more, and what it had ends in every process; opened again, it begins anew."""
    account(pool, "root", "admin")
    patient(pool)
    id_, _ = app(pool)
    other, _ = app(pool)
    given = ask(database_url, exchange(id_, code(pool, id_)))[0].json()
    spared = ask(database_url, exchange(other, code(pool, other)))[0].json()
    waiting = code(pool, id_)

    async def use(client: httpx.AsyncClient) -> None:
        assert "ada" in (await client.get(f"/admin/clients/{id_}")).text
        async with open_gate(database_url) as gate:
            await gate.access(header(given["access_token"]))
            assert (await send(client, f"/admin/clients/{id_}/close")).status_code == 303
            assert await refused(gate, given["access_token"])
            await gate.access(header(spared["access_token"]))
        assert "closed" in (await client.get("/admin/clients")).text
        authorize = await client.get("/oauth/authorize", params={"client_id": id_})
        assert authorize.status_code == 400

    administering(database_url, use)
    refresh = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": id_}
    assert ask(database_url, refresh)[0].json()["error"] == "invalid_client"
    assert ask(database_url, exchange(id_, waiting))[0].json()["error"] == "invalid_client"

    async def open_again(client: httpx.AsyncClient) -> None:
        assert (await send(client, f"/admin/clients/{id_}/open")).status_code == 303

    administering(database_url, open_again)
    assert ask(database_url, refresh)[0].json()["error"] == "invalid_grant"
    assert ask(database_url, exchange(id_, waiting))[0].json()["error"] == "invalid_grant"
    assert ask(database_url, exchange(id_, code(pool, id_)))[0].status_code == 200


async def refused(gate: TokenGate, token: str) -> bool:
    """Whether the token is worthless after a moment."""
    for _ in range(6000):
        try:
            await gate.access(header(token))
        except Exception:  # noqa: BLE001 - however it refuses
            return True
        await asyncio.sleep(0.01)
    return False


def test_removing(database_url: str, pool: Pool) -> None:
    """An app is removed by who says to be sure, with its tokens; another time there is none."""
    account(pool, "root", "admin")
    id_, _ = app(pool, auth="private_key_jwt", jwks=public(key_pair()), scope="system/*.rs", redirect_uris=())
    token = transaction(pool, lambda: create_token("system/*.rs", client=id_))

    async def use(client: httpx.AsyncClient) -> None:
        assert (await send(client, f"/admin/clients/{id_}/remove")).status_code == 400
        assert (await send(client, f"/admin/clients/{id_}/remove", sure="yes")).status_code == 303
        assert (await send(client, f"/admin/clients/{id_}/remove", sure="yes")).status_code == 404
        assert (await client.get(f"/admin/clients/{id_}")).status_code == 404
        async with open_gate(database_url) as gate:
            assert await refused(gate, token)

    administering(database_url, use)
    with pool.connection() as connection:
        assert connection.execute(
            "SELECT action, query FROM audit_event WHERE entity = %s ORDER BY seq DESC LIMIT 1", (f"client/{id_}",)
        ).fetchone() == ("D", "App")


def test_lists_have_pages(database_url: str, pool: Pool) -> None:
    """A long list is shown page by page, each app once."""
    account(pool, "root", "admin")
    for n in range(60):
        app(pool, name=f"App {n % 7}")

    async def use(client: httpx.AsyncClient) -> None:
        seen: list[str] = []
        path: str | None = "/admin/clients?q=app"
        while path:
            text = (await client.get(path)).text
            seen += re.findall(r'class="what" href="/admin/clients/([^"]+)"', text)
            onward = re.search(r'href="([^"]+)" rel="next"', text)
            path = html.unescape(onward[1]) if onward else None
        assert len(seen) == len(set(seen)) == 60

    administering(database_url, use)
