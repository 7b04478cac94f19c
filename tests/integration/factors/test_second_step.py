"""The second step of a login over the real pages and a real database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import transaction
from smart_auth.account.home import Home
from smart_auth.oauth.factors.held import reset
from smart_auth.store import disable_user
from tests.support.factors import SECOND, second, with_app, with_codes
from tests.support.gate import Pool
from tests.support.mailbox import ROOT
from tests.support.portal import account, browser, csrf, sign_in

ORIGIN = Origin("healix-cli")
Use = Callable[[httpx.AsyncClient], Awaitable[None]]


@pytest.fixture(autouse=True)
def ada(pool: Pool) -> None:
    """The account `ada`."""
    account(pool, "ada", "admin")


def browsing(url: str, use: Use, *, required: str = "none") -> None:
    """Run `use` with a browser."""

    async def main() -> None:
        async with browser(url, required=required) as client:
            await use(client)

    asyncio.run(main())


def audited(pool: Pool, subtype: str) -> list[tuple[str | None, int, str | None]]:
    """Account, outcome and words of the rows of the trail."""
    with pool.connection() as connection:
        rows = connection.execute(
            "SELECT account, outcome, query FROM audit_event WHERE subtype = %s ORDER BY seq", (subtype,)
        )
        return [(row[0], row[1], row[2]) for row in rows.fetchall()]


@pytest.mark.spec("RFC 6238 section 5.2")
def test_a_code_lets_in_once(database_url: str, pool: Pool) -> None:
    """The password alone opens nothing; with a code of the app it does, and the code is not taken again."""
    app = with_app(pool, "ada")

    async def use(client: httpx.AsyncClient) -> None:
        answer = await sign_in(client, "ada")
        assert (answer.status_code, answer.headers["location"]) == (303, SECOND)
        assert "healix" not in client.cookies
        assert (await client.get("/account/")).headers["location"] == "/account/login"
        code = app.now()
        answer = await second(client, code=code)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/")
        assert (await client.get("/account/")).status_code == 200
        assert "healix-pending" not in client.cookies
        client.cookies.clear()
        await sign_in(client, "ada")
        again = await second(client, code=code)
        assert again.status_code == 401
        assert "healix" not in client.cookies

    browsing(database_url, use)
    assert audited(pool, "login") == [("ada", 0, "pwd otp mfa")]
    assert audited(pool, "second-factor") == [("ada", 4, None)]


def test_a_recovery_code_lets_in_once(database_url: str, pool: Pool) -> None:
    """A recovery code stands in for the app, once, however it is typed; that it is gone is in the audit trail."""
    with_app(pool, "ada")
    code = with_codes(pool, "ada")[3]

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        typed = f" {code.upper().replace('-', ' ').replace('0', 'O').replace('1', 'l')}"
        assert (await second(client, recovery=typed)).status_code == 303
        assert "9 of 10 are left" in (await client.get("/account/security")).text
        client.cookies.clear()
        await sign_in(client, "ada")
        assert (await second(client, recovery=code)).status_code == 401

    browsing(database_url, use)
    assert audited(pool, "login") == [("ada", 0, "pwd mfa")]
    assert audited(pool, "factor") == [("ada", 0, "recovery code used, 9 left")]


def test_refusals_are_alike(database_url: str, pool: Pool) -> None:
    """A wrong code, one used before, another account's and one of no app at all get the same page."""
    account(pool, "bob", "admin")
    app, bobs = with_app(pool, "ada"), with_app(pool, "bob")
    codes, others = with_codes(pool, "ada"), with_codes(pool, "bob")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        used = app.now()
        await second(client, code=used, recovery=codes[0])
        await sign_in_anew(client)
        await second(client, code=used)
        await sign_in_anew(client)
        tries = (
            {"code": used}, {"code": f"{(int(used) + 1) % 10**6:06}"}, {"code": bobs.now()},
            {"recovery": codes[0]}, {"recovery": others[1]},
        )  # fmt: skip
        answers = [await second(client, **one) for one in tries]
        assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}

    browsing(database_url, use)


async def sign_in_anew(client: httpx.AsyncClient) -> None:
    """Give the password in a fresh browser."""
    client.cookies.clear()
    await sign_in(client, "ada")


@pytest.mark.parametrize("kind", ["code", "recovery"])
def test_of_parallel_uses_one_wins(database_url: str, pool: Pool, kind: str) -> None:
    """Of logins that show the same code at the same time, one is let in."""
    app = with_app(pool, "ada")
    shown = {"code": app.now(), "recovery": with_codes(pool, "ada")[0]}[kind]

    async def use(client: httpx.AsyncClient) -> None:
        tries = []
        for _ in range(5):
            await sign_in_anew(client)
            fields = {"csrf": csrf(await client.get(SECOND)), kind: shown}
            tries.append((dict(client.cookies), fields))
        client.cookies.clear()
        answers = await asyncio.gather(
            *(
                client.post(SECOND, data=fields, headers={"cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())})
                for cookies, fields in tries
            )
        )
        assert sorted(answer.status_code for answer in answers) == [303, 401, 401, 401, 401]

    browsing(database_url, use)
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM session").fetchone() == (1,)


def test_a_waiting_login_is_good_once_and_soon(database_url: str, pool: Pool) -> None:
    """The cookie of the second step opens one session, within ten minutes, and nothing for a closed account."""
    app = with_app(pool, "ada")
    codes = with_codes(pool, "ada")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        pending = client.cookies["healix-pending"]
        page = await client.get(SECOND)
        await second(client, code=app.now())
        client.cookies.clear()
        client.cookies.set("healix-pending", pending, domain="healix.test")
        again = await client.post(SECOND, data={"csrf": csrf(page), "recovery": codes[0]})
        assert again.headers["location"] == "/account/login"
        for end in ("UPDATE pending_login SET created = now() - interval '11 minutes'", None):
            await sign_in_anew(client)
            assert (await client.get(SECOND)).status_code == 200
            if end is None:
                transaction(pool, lambda: disable_user("ada"))
            else:
                with pool.connection() as connection:
                    connection.execute(end)
            assert (await client.get(SECOND)).headers["location"] == "/account/login"

    browsing(database_url, use)


def test_the_second_step_is_bound_to_its_browser(database_url: str, pool: Pool) -> None:
    """Without the hidden value, or with another browser's, a code is not looked at."""
    app = with_app(pool, "ada")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        foreign = csrf(await client.get(SECOND))
        await sign_in_anew(client)
        for fields in ({"code": app.now()}, {"code": app.now(), "csrf": foreign}):
            assert (await client.post(SECOND, data=fields)).status_code == 403
        assert (await second(client, code=app.now())).status_code == 303

    browsing(database_url, use)


def test_guessing_codes_is_limited(database_url: str, pool: Pool) -> None:
    """After five wrong codes the right one waits, also in a new login; the password is not locked by it."""
    app = with_app(pool, "ada")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        wrong = f"{(int(app.now()) + 500_000) % 10**6:06}"
        guesses = [await second(client, code=wrong) for _ in range(6)]
        assert [guess.status_code for guess in guesses] == [401] * 5 + [429]
        assert 0 < int(guesses[-1].headers["retry-after"]) <= 30
        await sign_in_anew(client)
        assert (await second(client, code=app.now())).status_code == 429

    browsing(database_url, use)


def test_who_knows_the_password_cannot_guess_from_everywhere(database_url: str, pool: Pool) -> None:
    """Guesses are counted over all addresses: the right password alone makes none of them a familiar one."""
    app = with_app(pool, "ada")

    async def main() -> list[int]:
        found = []
        for network in range(5):
            async with browser(database_url, address=f"192.0.2.{network}") as client:
                await sign_in(client, "ada")
                wrong = f"{(int(app.now()) + 500_000) % 10**6:06}"
                found += [(await second(client, code=wrong)).status_code for _ in range(5)]
        return found

    assert asyncio.run(main()) == [401] * 20 + [429] * 5


def test_a_code_of_the_next_step_ends_the_one_before(database_url: str, pool: Pool) -> None:
    """Codes are taken in the order of time: none that is older than the last one that was taken."""
    app = with_app(pool, "ada")

    async def use(client: httpx.AsyncClient) -> None:
        now = time.time()
        await sign_in(client, "ada")
        assert (await second(client, code=app.at(now + 30))).status_code == 303
        await sign_in_anew(client)
        assert (await second(client, code=app.at(now))).status_code == 401

    browsing(database_url, use)


def test_reset_by_an_administrator(database_url: str, pool: Pool) -> None:
    """After a reset the password is enough again, every session is over, and the trail says so."""
    app = with_app(pool, "ada")
    with_codes(pool, "ada")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        await second(client, code=app.now())
        assert transaction(pool, lambda: reset(Home(ROOT), " Ada ", ORIGIN))
        assert not transaction(pool, lambda: reset(Home(ROOT), "nobody", ORIGIN))
        assert (await client.get("/account/")).status_code == 303
        assert (await sign_in(client, "ada")).headers["location"] == "/account/"
        assert "Recovery codes" not in (await client.get("/account/security")).text

    browsing(database_url, use)
    assert audited(pool, "factor") == [(None, 0, "all, by an administrator")]
