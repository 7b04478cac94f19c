"""A forgotten password: asked for, set by mail, and what ends with the old one."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

import httpx
import pytest

from healix_fhir.kernel.database import transaction
from smart_auth.oauth import passwords
from smart_auth.store import digest, disable_user, find
from tests.integration.account.test_registration import worked
from tests.integration.pages.test_authorize import browsing
from tests.support.apps import allow, app, ask, told
from tests.support.gate import Pool, token
from tests.support.mailbox import Mailbox
from tests.support.portal import PASSWORD, account, browser, csrf, sign_in
from tests.support.query_recorder import query_recorder

FRESH = "seven quiet lighthouses"


@pytest.fixture(autouse=True)
def people(pool: Pool) -> None:
    """Ada with a mail address, Bob and Bea who share one, Cid without, Dan whose account is closed."""
    for name in ("ada", "bob", "bea", "cid", "dan"):
        account(pool, name, "admin")
    transaction(pool, lambda: disable_user("dan"))
    with pool.connection() as connection:
        connection.execute(
            """UPDATE account SET mail = CASE WHEN username IN ('bob', 'bea') THEN 'two@example.org'
                                              ELSE username || '@example.org' END WHERE username <> 'cid'"""
        )


async def forget(client: httpx.AsyncClient, name: str) -> httpx.Response:
    """Ask for a mail."""
    page = await client.get("/account/reset")
    return await client.post("/account/reset", data={"username": name, "csrf": csrf(page)})


async def link(client: httpx.AsyncClient, mailbox: Mailbox, name: str = "ada") -> str:
    """The link of the mail that was asked for."""
    await forget(client, name)
    (mail,) = await worked(mailbox)
    return mail.link


async def set_by(client: httpx.AsyncClient, at: str, password: str = FRESH) -> httpx.Response:
    """Follow a link and set a password."""
    page = await client.get(at)
    if page.status_code != 200:
        return page
    fields = {"ticket": at.partition("ticket=")[2], "password": password, "csrf": csrf(page)}
    return await client.post("/account/reset", data=fields)


@pytest.mark.parametrize("name", ["ada", " Ada ", "ada@example.org", "ADA@Example.org"])
def test_a_new_password(database_url: str, pool: Pool, mailbox: Mailbox, name: str) -> None:
    """The link in the mail sets a password once; the old one is worthless, and the owner is told."""

    async def use(client: httpx.AsyncClient) -> None:
        at = await link(client, mailbox, name)
        assert "You can" not in (await set_by(client, at)).text
        assert "healix" not in client.cookies
        (notice,) = await worked(mailbox)
        assert (notice.to, notice.subject) == ("ada@example.org", "Your password was changed")
        assert (await sign_in(client, "ada", PASSWORD)).status_code == 401
        assert (await sign_in(client, "ada", FRESH)).status_code == 303
        assert (await client.get(at)).status_code == 409

    browsing(database_url, use)
    with pool.connection() as connection:
        rows = connection.execute(
            """SELECT action, subtype, account, address FROM audit_event
               WHERE subtype IN ('reset', 'password') ORDER BY seq"""
        ).fetchall()
    assert rows == [("E", "reset", name.strip().lower(), "192.0.2.9"), ("U", "password", "ada", "192.0.2.9")]


@pytest.mark.spec("OWASP ASVS 5.0 7.4.3")
def test_what_ends(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """With the old password end all sessions, grants and tokens of the account, and what it decided about apps; those
    of nobody else.
    """
    mine = app(pool)
    made = {name: token(pool, "system/*.rs", username=name) for name in ("ada", "bob")}

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        asked = await ask(client, mine, scope="openid fhirUser offline_access")
        told(await allow(client, asked))
        async with browser(database_url) as elsewhere, browser(database_url) as other:
            await sign_in(elsewhere, "ada")
            await sign_in(other, "bob")
            told(await allow(other, await ask(other, mine, scope="openid fhirUser")))
            async with browser(database_url) as third:
                await set_by(third, await link(third, mailbox))
            for one, status in ((client, 303), (elsewhere, 303), (other, 200)):
                assert (await one.get("/account/")).status_code == status

    browsing(database_url, use)
    good = transaction(pool, lambda: find([digest(one) for one in made.values()]))
    assert set(good) == {digest(made["bob"])}
    with pool.connection() as connection:
        rows = connection.execute("SELECT username, ended IS NOT NULL FROM app_grant ORDER BY 1").fetchall()
        assert rows == [("ada", True), ("bob", False)]
        assert connection.execute("SELECT username FROM consent").fetchall() == [("bob",)]


@pytest.mark.spec("OWASP ASVS 5.0 6.4.1")
def test_one_of_twenty_wins(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """Of twenty uses of one link at the same time, one sets its password."""

    async def use(client: httpx.AsyncClient) -> None:
        at = await link(client, mailbox)
        fields = {"ticket": at.partition("ticket=")[2], "csrf": csrf(await client.get(at))}
        passwords_ = [f"{FRESH} {number}" for number in range(20)]
        answers = await asyncio.gather(
            *(client.post("/account/reset", data=fields | {"password": one}) for one in passwords_)
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
        (won,) = [one for one, answer in zip(passwords_, answers, strict=True) if answer.status_code == 200]
        assert (await sign_in(client, "ada", won)).status_code == 303
        assert len(await worked(mailbox)) == 1

    with patch.object(passwords, "_hasher", _quick):  # twenty real hashes take the machine for a while
        browsing(database_url, use)


def test_links_end(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """A link ends after half an hour, with a newer one, with the account, and when the password was changed."""

    async def use(client: httpx.AsyncClient) -> None:
        first = await link(client, mailbox)
        second = await link(client, mailbox)
        assert (await client.get(first)).status_code == 409
        with pool.connection() as connection:
            connection.execute("UPDATE ticket SET expires = expires - interval '31 minutes'")
        assert (await set_by(client, second)).status_code == 409
        third = await link(client, mailbox)
        transaction(pool, lambda: disable_user("ada"))
        assert (await set_by(client, third)).status_code == 409

    browsing(database_url, use)


def test_a_weak_password_uses_no_link_up(database_url: str, mailbox: Mailbox) -> None:
    """A password that is refused can be replaced by a better one in the same form."""

    async def use(client: httpx.AsyncClient) -> None:
        at = await link(client, mailbox)
        for weak in ("short", "password1234", "ada@example.org", "ada12345"):
            answer = await set_by(client, at, weak)
            assert answer.status_code == 400
            assert 'role="alert"' in answer.text
        assert (await set_by(client, at)).status_code == 200

    browsing(database_url, use)


def test_one_address_of_several_accounts(database_url: str, mailbox: Mailbox) -> None:
    """Who shares a mail address gets one mail for each account, with its name."""

    async def use(client: httpx.AsyncClient) -> None:
        await forget(client, "two@example.org")
        mails = await worked(mailbox)
        assert {mail.to for mail in mails} == {"two@example.org"}
        assert ["bea" in mails[0].text, "bob" in mails[1].text] == [True, True]

    browsing(database_url, use)


@pytest.mark.spec("OWASP ASVS 5.0 6.3.8")
def test_nobody_learns_who_has_an_account(database_url: str, mailbox: Mailbox) -> None:
    """Known, unknown, closed and mailless accounts get the same answer for the same statements and no password work."""
    seen = set()

    async def use(client: httpx.AsyncClient) -> None:
        page = await client.get("/account/reset")
        for name in ("ada", "nobody", "dan", "cid", "nobody@example.org", "x' OR '1"):
            fields = {"username": name, "csrf": csrf(page)}
            with query_recorder() as statements, patch.object(passwords, "_hasher") as hasher:
                answer = await client.post("/account/reset", data=fields)
            seen.add((answer.status_code, answer.text, len(statements), tuple(statements), hasher.call_count))
        assert [mail.to for mail in await worked(mailbox)] == ["ada@example.org"]

    browsing(database_url, use)
    assert len(seen) == 1
    assert next(iter(seen))[0] == 200


def test_asking_is_limited(database_url: str, mailbox: Mailbox) -> None:
    """Nobody's mailbox is filled: a few mails an hour, for accounts that exist as for those that do not."""

    async def use(client: httpx.AsyncClient) -> None:
        for name in ("ada", "nobody"):
            answers = [await forget(client, name) for _ in range(6)]
            assert [answer.status_code for answer in answers] == [200] * 5 + [429]
            assert int(answers[-1].headers["retry-after"]) > 0

    browsing(database_url, use)


@pytest.mark.parametrize("name", ["", " ", "x" * 255])
def test_no_name(database_url: str, pool: Pool, name: str) -> None:
    """Without a name there is nothing to ask for."""

    async def use(client: httpx.AsyncClient) -> None:
        assert (await forget(client, name)).status_code == 400

    browsing(database_url, use)


class _Quick:
    """Hashes that cost nothing."""

    def hash(self, password: str) -> str:
        """The password itself."""
        return f"plain {password}"

    def verify(self, password: str, hashed: str) -> bool:
        """Whether it is that."""
        return hashed == f"plain {password}"


def _quick() -> _Quick:
    return _Quick()
