"""Passkeys over the real pages and a real database, with an authenticator in software."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import pytest

from tests.support.authenticator import Authenticator, options
from tests.support.factors import SECOND, SECURITY, SETUP, codes_of, second, with_app
from tests.support.gate import Pool
from tests.support.portal import account, browser, csrf, sign_in

Use = Callable[[httpx.AsyncClient], Awaitable[None]]
ALONE = "/account/login/passkey"
ADD = f"{SECURITY}/passkey"


@pytest.fixture(autouse=True)
def people(pool: Pool) -> None:
    """The accounts `ada` and `bob`."""
    account(pool, "ada", "admin")
    account(pool, "bob", "admin")


def browsing(url: str, use: Use, *, required: str = "none") -> None:
    """Run `use` with a browser."""

    async def main() -> None:
        async with browser(url, secure=True, required=required) as client:
            await use(client)

    asyncio.run(main())


async def send(client: httpx.AsyncClient, page: httpx.Response, path: str, **fields: str) -> httpx.Response:
    """Send a form of a page."""
    return await client.post(path, data={"csrf": csrf(page), **fields})


async def registered(client: httpx.AsyncClient, username: str, place: str = SECURITY) -> Authenticator:
    """A new passkey of an account, which is signed in afterwards."""
    client.cookies.clear()
    await sign_in(client, username)
    page = await client.get(f"{place}/passkey")
    key = Authenticator()
    done = await send(client, page, f"{place}/passkey", credential=key.make(options(page)), name=f"key of {username}")
    assert done.status_code == 200, done.text
    assert len(codes_of(done)) == 10
    return key


async def alone(client: httpx.AsyncClient, key: Authenticator) -> httpx.Response:
    """Sign in with a passkey alone, in a fresh browser."""
    client.cookies.clear()
    page = await client.get(ALONE)
    assert options(page)["allowCredentials"] == []
    return await send(client, page, ALONE, credential=key.sign(options(page)))


def column(pool: Pool, query: str) -> list[object]:
    """The first column of what a query finds."""
    with pool.connection() as connection:
        return [row[0] for row in connection.execute(query).fetchall()]


@pytest.mark.spec("WebAuthn Level 2 section 7.2")
def test_a_passkey_alone_lets_in(database_url: str, pool: Pool) -> None:
    """It tells whose it is; the session is one of two factors, and the scripts of these pages are files of ours."""

    async def use(client: httpx.AsyncClient) -> None:
        key = await registered(client, "ada")
        client.cookies.clear()
        login = await client.get("/account/login")
        assert f'href="{ALONE}"' in login.text
        assert "script-src" not in login.headers["content-security-policy"]
        page = await client.get(ALONE)
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "<script>" not in page.text
        answer = await alone(client, key)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/")
        page = await client.get(SECURITY)
        assert "key of ada" in page.text
        assert "last used" in page.text

    browsing(database_url, use)
    assert column(pool, "SELECT methods FROM session ORDER BY created") == [["pwd", "hwk", "mfa"], ["hwk", "mfa"]]
    assert column(pool, "SELECT query FROM audit_event WHERE subtype = 'login' ORDER BY seq") == ["pwd", "hwk mfa"]
    assert column(pool, "SELECT account FROM audit_event WHERE subtype = 'login' ORDER BY seq") == ["ada", "ada"]


def test_a_passkey_as_second_step(database_url: str, pool: Pool) -> None:
    """After the password the account's own passkeys are asked for, and one lets in."""

    async def use(client: httpx.AsyncClient) -> None:
        key = await registered(client, "ada")
        client.cookies.clear()
        assert (await sign_in(client, "ada")).headers["location"] == SECOND
        page = await client.get(SECOND)
        assert len(options(page)["allowCredentials"]) == 1
        assert "authenticator app" not in page.text
        answer = await send(client, page, SECOND, credential=key.sign(options(page), userHandle=None))
        assert answer.headers["location"] == "/account/"

    browsing(database_url, use)


def test_the_passkey_of_another_account(database_url: str, pool: Pool) -> None:
    """A passkey opens its own account only, whatever account it claims; the answer is that to an unknown one."""

    async def use(client: httpx.AsyncClient) -> None:
        adas, bobs = await registered(client, "ada"), await registered(client, "bob")
        client.cookies.clear()
        await sign_in(client, "ada")
        answers = []
        tries = (bobs, replace(bobs, handle=adas.handle), Authenticator(handle=adas.handle), replace(adas, id=bobs.id))
        for key in tries:
            page = await client.get(SECOND)
            answers.append(await send(client, page, SECOND, credential=key.sign(options(page))))
        assert {answer.status_code for answer in answers} == {401}
        assert len({hidden(answer) for answer in answers}) == 1
        wrong = await alone(client, replace(bobs, handle=adas.handle))
        assert wrong.status_code == 401
        assert "__Host-healix" not in client.cookies

    browsing(database_url, use)
    assert column(pool, "SELECT query FROM audit_event WHERE outcome = 4 ORDER BY seq") == [
        "a passkey of another account",
        "a passkey of another account",
        "an unknown passkey",
        "a passkey of another account",
        "a passkey that names another account",
    ]


def hidden(page: httpx.Response) -> str:
    """A page without its challenge."""
    return page.text.replace(str(options(page)["challenge"]), "")


@pytest.mark.spec("WebAuthn Level 2 section 6.1.1")
def test_a_cloned_authenticator(database_url: str, pool: Pool) -> None:
    """A counter that does not go on is refused, also when two copies sign at the same moment; the trail says why."""

    async def use(client: httpx.AsyncClient) -> None:
        key = await registered(client, "ada")
        key.counter = 10
        assert (await alone(client, key)).status_code == 303
        for counter in (10, 5, 0):
            assert (await alone(client, replace(key, counter=counter))).status_code == 401
        attempts = []
        for _ in range(4):
            client.cookies.clear()
            page = await client.get(ALONE)
            fields = {"csrf": csrf(page), "credential": replace(key, counter=20).sign(options(page))}
            attempts.append((dict(client.cookies), fields))
        client.cookies.clear()
        answers = await asyncio.gather(
            *(
                client.post(ALONE, data=fields, headers={"cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())})
                for cookies, fields in attempts
            )
        )
        assert sorted(answer.status_code for answer in answers) == [303, 401, 401, 401]

    browsing(database_url, use)
    reasons = column(pool, "SELECT query FROM audit_event WHERE outcome = 4")
    assert reasons == ["the passkey's counter went back: there may be a copy of it"] * 6


def test_authenticators_without_a_counter(database_url: str, pool: Pool) -> None:
    """One that counts nothing, as those that are on several devices do, is let in each time."""

    async def use(client: httpx.AsyncClient) -> None:
        key = await registered(client, "ada")
        for _ in range(2):
            assert (await alone(client, replace(key, counter=-1))).status_code == 303

    browsing(database_url, use)


@pytest.mark.spec("WebAuthn Level 2 section 13.4.3")
def test_a_challenge_is_good_once_for_its_browser_and_soon(database_url: str, pool: Pool) -> None:
    """A signature is not taken twice, nor from another browser, nor after five minutes, nor for an older challenge."""

    async def use(client: httpx.AsyncClient) -> None:
        key = await registered(client, "ada")
        client.cookies.clear()
        page = await client.get(ALONE)
        answer = replace(key, counter=-1).sign(options(page))  # without a counter, which would show the second use too
        cookie = client.cookies["__Host-healix-login"]
        assert (await send(client, page, ALONE, credential=answer)).status_code == 303
        client.cookies.clear()
        client.cookies.set("__Host-healix-login", cookie, domain="healix.test")
        assert (await send(client, page, ALONE, credential=answer)).status_code == 401
        page = await client.get(ALONE)
        stale = key.sign(options(page))
        page = await client.get(ALONE)
        assert (await send(client, page, ALONE, credential=stale)).status_code == 401
        page = await client.get(ALONE)
        foreign = key.sign(options(page))
        client.cookies.clear()
        page = await client.get(ALONE)
        assert (await send(client, page, ALONE, credential=foreign)).status_code == 401
        page = await client.get(ALONE)
        late = key.sign(options(page))
        with pool.connection() as connection:
            connection.execute("UPDATE passkey_challenge SET created = now() - interval '6 minutes'")
        assert (await send(client, page, ALONE, credential=late)).status_code == 401
        assert (await client.post(ALONE, data={"credential": key.sign(options(page))})).status_code == 403
        assert (await alone(client, key)).status_code == 303

    browsing(database_url, use)


def test_a_closed_account(database_url: str, pool: Pool) -> None:
    """The passkey of a closed account opens nothing."""

    async def use(client: httpx.AsyncClient) -> None:
        key = await registered(client, "ada")
        with pool.connection() as connection:
            connection.execute("UPDATE account SET disabled = true")
        assert (await alone(client, key)).status_code == 401

    browsing(database_url, use)


@pytest.mark.spec("WebAuthn Level 2 section 7.1")
def test_registering(database_url: str, pool: Pool) -> None:
    """A passkey is registered once, with one name of the account for all authenticators, and a challenge good once."""

    async def use(client: httpx.AsyncClient) -> None:
        key = await registered(client, "ada")
        page = await client.get(ADD)
        assert len(options(page)["excludeCredentials"]) == 1
        again = await send(client, page, ADD, credential=key.make(options(page)))
        assert again.status_code == 400
        assert "registered already" in again.text
        page = await client.get(ADD)
        other = Authenticator()
        answer = other.make(options(page))
        assert other.handle == key.handle
        assert (await send(client, page, ADD, credential=answer, name="\0")).status_code == 400
        assert (await send(client, page, ADD, credential=answer, name="  ")).headers["location"] == SECURITY
        page = await client.get(ADD)
        assert (await send(client, page, ADD, credential="{}")).status_code == 400
        assert (await send(client, page, ADD, credential=Authenticator().make(options(page)))).status_code == 400
        await registered(client, "bob")
        page = await client.get(ADD)
        stolen = await send(client, page, ADD, credential=key.make(options(page)))
        assert stolen.status_code == 400

    browsing(database_url, use)
    assert column(pool, "SELECT name FROM passkey WHERE username = 'ada' ORDER BY created") == ["key of ada", "Passkey"]


def test_names_and_removal(database_url: str, pool: Pool) -> None:
    """A passkey gets another name, and is removed by its owner only; it opens nothing then."""

    async def use(client: httpx.AsyncClient) -> None:
        bobs = await registered(client, "bob")
        key = await registered(client, "ada")
        page = await client.get(SECURITY)
        mine, theirs = key_field(key), key_field(bobs)
        for path, field in (("rename", theirs), ("remove", theirs), ("remove", "%"), ("remove", "")):
            assert (await send(client, page, f"{ADD}/{path}", passkey=field, name="x")).status_code == 400
        await send(client, page, f"{ADD}/rename", passkey=mine, name="<b>blue</b> key")
        page = await client.get(SECURITY)
        assert "&lt;b&gt;blue&lt;/b&gt; key" in page.text
        await send(client, page, f"{ADD}/remove", passkey=mine)
        assert (await alone(client, key)).status_code == 401
        assert (await sign_in(client, "ada")).headers["location"] == "/account/"

    browsing(database_url, use)
    assert column(pool, "SELECT query FROM audit_event WHERE subtype = 'factor' AND account = 'ada' ORDER BY seq") == [
        "passkey key of ada", "recovery codes", "passkey <b>blue</b> key", "passkey <b>blue</b> key",
    ]  # fmt: skip
    assert column(pool, "SELECT count(*) FROM passkey") == [1]


def key_field(key: Authenticator) -> str:
    """The value of a passkey in the forms of the list."""
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(key.id).decode()


def test_an_account_has_a_bounded_number(database_url: str, pool: Pool) -> None:
    """After twenty passkeys no more are added."""

    async def use(client: httpx.AsyncClient) -> None:
        await registered(client, "ada")
        with pool.connection() as connection:
            connection.execute(
                """INSERT INTO passkey (id, username, handle, name, public_key, sign_count, synced)
                   SELECT int4send(n), 'ada', '', 'x', '', 0, false FROM generate_series(1, 19) AS n"""
            )
        refused = await client.get(ADD)
        assert refused.status_code == 400
        assert "at most 20" in refused.text

    browsing(database_url, use)


def test_either_factor_is_enough(database_url: str, pool: Pool) -> None:
    """With an app and a passkey, the second step takes either."""
    app = with_app(pool, "ada")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        await second(client, code=app.now())
        page = await client.get(ADD)
        key = Authenticator()
        await send(client, page, ADD, credential=key.make(options(page)), name="x")
        client.cookies.clear()
        await sign_in(client, "ada")
        page = await client.get(SECOND)
        assert 'name="code"' in page.text
        assert (await send(client, page, SECOND, credential=key.sign(options(page)))).status_code == 303

    browsing(database_url, use)


def test_required_and_set_up_at_login(database_url: str, pool: Pool) -> None:
    """Where a second factor is required a passkey is one, too, and the last one is not removed."""

    async def use(client: httpx.AsyncClient) -> None:
        key = await registered(client, "ada", SETUP)
        page = await client.get(SECURITY)
        refused = await send(client, page, f"{ADD}/remove", passkey=key_field(key))
        assert refused.status_code == 403
        assert (await alone(client, key)).status_code == 303

    browsing(database_url, use, required="all")


def test_of_two_first_passkeys_one_counts(database_url: str, pool: Pool) -> None:
    """Of two logins that set up a first factor at the same moment, one does; the other has to show it."""

    async def use(client: httpx.AsyncClient) -> None:
        attempts = []
        for _ in range(2):
            client.cookies.clear()
            await sign_in(client, "ada")
            page = await client.get(f"{SETUP}/passkey")
            fields = {"csrf": csrf(page), "credential": Authenticator().make(options(page))}
            attempts.append((dict(client.cookies), fields))
        client.cookies.clear()
        answers = await asyncio.gather(
            *(
                client.post(
                    f"{SETUP}/passkey",
                    data=fields,
                    headers={"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
                )
                for cookies, fields in attempts
            )
        )
        assert sorted(answer.status_code for answer in answers) in ([200, 303], [200, 400])

    browsing(database_url, use, required="all")
    assert column(pool, "SELECT count(*) FROM passkey") == [1]
    assert column(pool, "SELECT count(*) FROM session") == [1]


def test_no_passkeys_without_a_name(database_url: str, pool: Pool) -> None:
    """A server that browsers have no passkeys for offers none."""

    async def main() -> None:
        async with browser(database_url) as client:
            assert ALONE not in (await client.get("/account/login")).text
            assert (await client.get(ALONE)).status_code == 400
            await sign_in(client, "ada")
            assert ADD not in (await client.get(SECURITY)).text
            assert (await client.get(ADD)).status_code == 400

    asyncio.run(main())
