"""Accounts in the hands of an administrator, through the pages."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable

import httpx
import pytest

from healix_fhir.kernel.database import one, transaction
from smart_auth.oauth import throttle
from smart_auth.oauth.throttle import unlock
from tests.integration.pages.test_admin_clients import administering, refused, send
from tests.integration.smart_auth.test_token_code import ask
from tests.support.gate import Pool, header, open_gate
from tests.support.oauth import app, code, exchange
from tests.support.portal import PASSWORD, account, browser, csrf, sign_in

Use = Callable[[httpx.AsyncClient], Awaitable[None]]
LINK = re.compile(r'<code class="secret">http://healix\.test(/account/reset\?ticket=[^<]+)<')
CHOSEN = "four words without any link"
NEW = {"username": "Grace", "role": "practitioner", "fhir_user": "Practitioner/g", "mail": "", "send": "link"}


async def choose(link: str, url: str, username: str) -> tuple[int, int]:
    """The statuses of choosing a password by a link, and of signing in with it, in another browser."""
    async with browser(url) as client:
        page = await client.get(html.unescape(link))
        if page.status_code != 200:
            return page.status_code, 0
        ticket = link.partition("ticket=")[2]
        fields = {"csrf": csrf(page), "ticket": ticket, "password": CHOSEN}
        chosen = await client.post("/account/reset", data=fields)
        return chosen.status_code, (await sign_in(client, username, CHOSEN)).status_code


def test_making_an_account(database_url: str, pool: Pool) -> None:
    """An account is made with a link, shown once, by which its person chooses the password; the link is good once."""
    account(pool, "root", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        made = await send(client, "/admin/users", **NEW)
        (link,) = LINK.findall(made.text)
        assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
        assert await choose(link, database_url, "grace") == (200, 303)
        assert (await choose(link, database_url, "grace"))[0] == 409
        again = await send(client, "/admin/users", **NEW)
        assert again.status_code == 400
        assert "already an account" in html.unescape(again.text)
        shown = (await client.get("/admin/users/grace")).text
        assert "Practitioner/g" in shown
        assert link not in shown

    administering(database_url, use)
    with pool.connection() as connection:
        rows = connection.execute(
            "SELECT action, account, query FROM audit_event WHERE entity = 'account/grace' ORDER BY seq"
        ).fetchall()
    assert rows == [
        ("C", "root", "practitioner Practitioner/g"),
        ("U", "root", "a link to choose a password"),
        ("R", "root", None),
    ]


def test_making_an_account_by_mail(database_url: str, pool: Pool) -> None:
    """The link may go by mail; then the page does not show it, and the mail has no secret before it is sent."""
    account(pool, "root", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        made = await send(client, "/admin/users", **NEW | {"mail": "Grace@Example.org", "send": "mail"})
        assert "grace@example.org" in made.text
        assert LINK.findall(made.text) == []

    administering(database_url, use)
    with pool.connection() as connection:
        assert connection.execute("SELECT recipient, subject, ticket IS NOT NULL FROM mail").fetchall() == [
            ("grace@example.org", "Choose your password", True)
        ]
        assert connection.execute("SELECT hash FROM ticket").fetchall() == [(None,)]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"username": "no spaces"}, "a username is"),
        ({"role": "owner"}, "a role is"),
        ({"fhir_user": ""}, "is linked to"),
        ({"fhir_user": "Patient/p"}, "is linked to"),
        ({"mail": "nowhere"}, "mail address"),
        ({"send": "mail"}, "no mail address"),
    ],
)
def test_what_no_account_may_be(database_url: str, pool: Pool, fields: dict[str, str], told: str) -> None:
    """The form comes back with the reason and with what was typed; nothing is made."""
    account(pool, "root", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        answer = await send(client, "/admin/users", **NEW | fields)
        assert answer.status_code == 400
        assert told in html.unescape(answer.text)

    administering(database_url, use)
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM account").fetchone() == (1,)


def test_finding(database_url: str, pool: Pool) -> None:
    """Accounts are found by name, link and role, page by page."""
    account(pool, "root", "admin")
    with pool.connection() as connection:
        connection.execute(
            """INSERT INTO account (username, role, fhir_user, password_hash, mail)
               SELECT 'pat' || n, 'patient', 'Patient/x' || n, '!', 'm' || n || '@example.org'
               FROM generate_series(1, 60) AS n"""
        )

    async def names(client: httpx.AsyncClient, query: str) -> list[str]:
        found: list[str] = []
        path: str | None = f"/admin/users?{query}"
        while path:
            text = (await client.get(path)).text
            found += re.findall(r'class="what" href="/admin/users/([^"]+)"', text)
            onward = re.search(r'href="([^"]+)" rel="next"', text)
            path = html.unescape(onward[1]) if onward else None
        return found

    async def use(client: httpx.AsyncClient) -> None:
        assert len(await names(client, "role=patient")) == 60
        assert await names(client, "q=Patient/X7") == ["pat7"]
        assert await names(client, "q=m8@") == ["pat8"]
        assert await names(client, "q=root&role=patient") == []
        assert await names(client, "q=%25") == []
        assert (await client.get("/admin/users/nobody")).status_code == 404
        assert (await client.get("/admin/")).headers["location"] == "/admin/users"

    administering(database_url, use)


@pytest.mark.parametrize("how", ["close", "change"])
def test_what_ends_at_once(database_url: str, pool: Pool, how: str) -> None:
    """Closing an account, and making it another's, ends its sessions, tokens and grants at once, and for good."""
    account(pool, "root", "admin")
    account(pool, "ada", "patient", "Patient/p1")
    id_, _ = app(pool)
    given = ask(database_url, exchange(id_, code(pool, id_)))[0].json()
    waiting = code(pool, id_)

    async def use(client: httpx.AsyncClient) -> None:
        async with browser(database_url) as other, open_gate(database_url) as gate:
            await sign_in(other, "ada")
            await gate.access(header(given["access_token"]))
            fields = {"role": "patient", "fhir_user": "Patient/p2"} if how == "change" else {}
            assert (await send(client, f"/admin/users/Ada/{how}", **fields)).status_code == 303
            assert await refused(gate, given["access_token"])
            assert (await other.get("/account/")).status_code == 303
            assert (await sign_in(other, "ada")).status_code == (303 if how == "change" else 401)
        await send(client, "/admin/users/ada/open")
        async with browser(database_url) as other:
            assert (await sign_in(other, "ada")).status_code == 303

    administering(database_url, use)
    refresh = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": id_}
    for form in (refresh, exchange(id_, waiting)):
        assert ask(database_url, form)[0].json()["error"] == "invalid_grant"


def test_a_link_for_a_known_account(database_url: str, pool: Pool) -> None:
    """A link lets its holder choose another password; a newer one makes it worthless, and so does closing."""
    account(pool, "root", "admin")
    account(pool, "ada", "patient", "Patient/p1")

    async def use(client: httpx.AsyncClient) -> None:
        first, second = [LINK.findall((await send(client, "/admin/users/ada/link")).text)[0] for _ in range(2)]
        async with browser(database_url) as other:
            assert (await sign_in(other, "ada", PASSWORD)).status_code == 303
        assert (await choose(first, database_url, "ada"))[0] == 409
        assert await choose(second, database_url, "ada") == (200, 303)
        third = LINK.findall((await send(client, "/admin/users/ada/link")).text)[0]
        await send(client, "/admin/users/ada/close")
        assert (await send(client, "/admin/users/ada/link")).status_code == 400
        await send(client, "/admin/users/ada/open")
        assert (await choose(third, database_url, "ada"))[0] == 409
        assert (await send(client, "/admin/users/ada/link", send="mail")).status_code == 400
        assert (await send(client, "/admin/users/nobody/link")).status_code == 404

    administering(database_url, use)


def test_letting_in_again(database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says that an account has to wait, and lets it in at once."""
    monkeypatch.setattr(throttle, "REMEMBERED", 0.0)
    account(pool, "root", "admin")
    account(pool, "ada", "patient", "Patient/p1")

    async def use(client: httpx.AsyncClient) -> None:
        async with browser(database_url) as other:
            for n in range(5):
                await sign_in(other, "ada", f"wrong {n}")
            assert (await sign_in(other, "ada")).status_code == 429
            assert "has to wait" in (await client.get("/admin/users/ada")).text
            assert (await send(client, "/admin/users/ada/unlock")).status_code == 303
            assert "has to wait" not in (await client.get("/admin/users/ada")).text
            assert (await sign_in(other, "ada")).status_code == 303

    administering(database_url, use)
    assert not transaction(pool, lambda: unlock("ada"))


def test_the_own_account_stays(database_url: str, pool: Pool) -> None:
    """Administrators cannot close themselves, take their own role or their own second step away."""
    account(pool, "root", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        for what, fields in (
            ("close", {}), ("factors", {}), ("change", {"role": "patient", "fhir_user": "Patient/p1"}),
        ):  # fmt: skip
            assert (await send(client, f"/admin/users/root/{what}", **fields)).status_code == 400
        assert (await client.get("/admin/users/root")).status_code == 200

    administering(database_url, use)


def test_administrators_see_no_charts(database_url: str, pool: Pool) -> None:
    """The page of an account tells of sign-ins and changes, and nothing of what was read or searched for."""
    account(pool, "root", "admin")
    account(pool, "dr", "practitioner", "Practitioner/d")
    with pool.connection() as connection:
        connection.execute(
            """INSERT INTO audit_event (action, subtype, outcome, account, patient, entity, query, client) VALUES
               ('E', 'search-type', 0, 'dr', 'canary-patient', 'Patient', 'name=canary-name', 'app'),
               ('R', 'read', 0, 'dr', 'canary-patient', 'Patient/canary-patient', NULL, 'app'),
               ('E', 'authorize', 0, 'dr', 'canary-patient', NULL, 'canary-details', 'app'),
               ('E', 'login', 0, 'dr', NULL, NULL, NULL, 'healix-portal')"""
        )

    async def use(client: httpx.AsyncClient) -> None:
        text = (await client.get("/admin/users/dr")).text
        assert "login" in text
        assert "authorize" in text
        assert "canary" not in text

    administering(database_url, use)
    with pool.connection() as connection:
        transaction(pool, lambda: one(throttle.clean()))
        assert connection.execute(
            "SELECT count(*) FROM audit_event WHERE account = 'root' AND patient IS NOT NULL"
        ).fetchone() == (0,)


def test_taking_a_second_step_away(database_url: str, pool: Pool) -> None:
    """A person who has lost the second step signs in without it again; of nobody there is nothing to take."""
    account(pool, "root", "admin")
    account(pool, "ada", "patient", "Patient/p1")
    with pool.connection() as connection:
        connection.execute("INSERT INTO totp (username, sealed, confirmed) VALUES ('ada', 'x', now())")

    async def use(client: httpx.AsyncClient) -> None:
        assert "Take the second step away" in (await client.get("/admin/users/ada")).text
        assert (await send(client, "/admin/users/ada/factors")).status_code == 303
        assert "Take the second step away" not in (await client.get("/admin/users/ada")).text
        assert (await send(client, "/admin/users/nobody/factors")).status_code == 404

    administering(database_url, use)
