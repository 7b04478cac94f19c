"""Mails about factors, and what happens to sessions with them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from smart_auth.account.home import Home
from smart_auth.oauth.factors.held import reset
from smart_auth.oauth.sessions import open_session
from tests.support.authenticator import Authenticator, options
from tests.support.factors import SECOND, SECURITY, codes_of, second, set_up_app
from tests.support.gate import Pool
from tests.support.mailbox import ROOT, Mailbox
from tests.support.portal import account, browser, csrf, sign_in

ADD = f"{SECURITY}/passkey"


@pytest.fixture
def mailbox(database_url: str, pool: Pool, tmp_path: Path) -> Mailbox:
    """The mail of the server; the account `ada` has an address, `bob` has none."""
    account(pool, "ada", "admin")
    account(pool, "bob", "admin")
    with pool.connection() as connection:
        connection.execute("UPDATE account SET mail = 'ada@example.org' WHERE username = 'ada'")
    return Mailbox(database_url, tmp_path)


def told(mailbox: Mailbox) -> str:
    """What the one new mail says of the account."""
    (mail,) = mailbox.collect()
    assert (mail.to, mail.subject) == ("ada@example.org", "How you sign in has changed")
    assert "/account/reset" in mail.text
    return mail.text.splitlines()[1]


@pytest.mark.spec("OWASP ASVS 5.0 6.3.7")
def test_every_change_is_told_by_mail(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """One mail tells of each factor added, removed or reset, of new recovery codes and of each that was used."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        _, done = await set_up_app(client)
        assert told(mailbox) == "An authenticator app was added."
        page = await client.get(ADD)
        key = Authenticator()
        await client.post(ADD, data={"csrf": csrf(page), "credential": key.make(options(page)), "name": "secret"})
        assert told(mailbox) == "A passkey was added."
        client.cookies.clear()
        assert (await sign_in(client, "ada")).headers["location"] == SECOND
        await second(client, recovery="0000-0000-0000-0000")
        assert mailbox.collect() == []
        await second(client, recovery=codes_of(done)[4])
        assert told(mailbox) == "A recovery code was used to sign in; 9 are left."
        page = await client.get(SECURITY)
        await client.post(f"{SECURITY}/codes", data={"csrf": csrf(page)})
        assert told(mailbox) == "New recovery codes were made; the earlier ones are worthless."
        await client.post(f"{SECURITY}/authenticator/remove", data={"csrf": csrf(page)})
        assert told(mailbox) == "An authenticator app was removed."

    async def main() -> None:
        async with browser(database_url, secure=True) as client:
            await use(client)

    asyncio.run(main())
    transaction(pool, lambda: reset(Home(ROOT), "ada", OPERATOR))
    assert told(mailbox) == "The clinic has taken away your passkeys, app and recovery codes."
    transaction(pool, lambda: reset(Home(ROOT), "bob", OPERATOR))
    assert mailbox.collect() == []


@pytest.mark.spec("OWASP ASVS 5.0 7.2.4")
def test_a_stronger_session_has_a_new_secret(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """After a factor is added the browser's earlier cookie is worthless; other browsers stay signed in."""
    transaction(pool, lambda: open_session("ada"))

    async def main() -> None:
        async with browser(database_url) as client:
            await sign_in(client, "ada")
            before = client.cookies["healix"]
            await set_up_app(client)
            assert (await client.get("/account/")).status_code == 200
            client.cookies.clear()
            client.cookies.set("healix", before, domain="healix.test")
            assert (await client.get("/account/")).status_code == 303

    asyncio.run(main())
    with pool.connection() as connection:
        methods = connection.execute("SELECT methods FROM session ORDER BY array_length(methods, 1)").fetchall()
    assert methods == [(["pwd"],), (["pwd", "otp", "mfa"],)]
