"""Setting up and removing an authenticator app, over the real pages and a real database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import HealixError
from smart_auth.oauth.factors import totp
from smart_auth.oauth.factors.held import held
from smart_auth.oauth.seal import Seal
from smart_auth.oauth.sessions import open_session
from tests.support.factors import SECOND, SECURITY, SETUP, codes_of, second, set_up_app, with_app, with_codes
from tests.support.gate import Pool
from tests.support.portal import PASSWORD, account, browser, csrf, sign_in

Use = Callable[[httpx.AsyncClient], Awaitable[None]]
AGAIN = "/account/login?after=security"


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


def changes(pool: Pool) -> list[tuple[str, str]]:
    """Action and words of the changes of factors in the audit trail."""
    with pool.connection() as connection:
        rows = connection.execute("SELECT action, query FROM audit_event WHERE subtype = 'factor' ORDER BY seq")
        return [(row[0], row[1]) for row in rows.fetchall()]


@pytest.mark.spec("RFC 6238 section 3")
def test_an_app_counts_once_it_is_confirmed(database_url: str, pool: Pool) -> None:
    """A secret is asked for at login once one of its codes was shown; then there are ten recovery codes, shown once."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await client.get(SECURITY)
        answer = await client.post(f"{SECURITY}/authenticator", data={"csrf": csrf(page)})
        page = await client.get(answer.headers["location"])
        assert "<svg viewBox" in page.text
        assert "style=" not in page.text
        wrong = await client.post(f"{SECURITY}/authenticator/confirm", data={"csrf": csrf(page), "code": "x"})
        assert wrong.status_code == 400
        assert not transaction(pool, lambda: held("ada")).any
        app, done = await set_up_app(client)
        assert done.status_code == 200
        assert len(set(codes_of(done))) == 10
        page = await client.get(SECURITY)
        assert "10 of 10 are left" in page.text
        assert codes_of(page) == []
        assert (await client.get(f"{SECURITY}/authenticator")).headers["location"] == SECURITY
        client.cookies.clear()
        assert (await sign_in(client, "ada")).headers["location"] == SECOND
        assert (await second(client, code=app.at(time.time()))).status_code == 401  # it was used to confirm
        assert (await second(client, recovery=codes_of(done)[0])).status_code == 303

    browsing(database_url, use)
    assert changes(pool) == [
        ("C", "authenticator app"), ("U", "recovery codes"), ("U", "recovery code used, 9 left"),
    ]  # fmt: skip
    with pool.connection() as connection:
        methods = connection.execute("SELECT methods FROM session ORDER BY created").fetchall()
    assert methods == [(["pwd", "otp", "mfa"],), (["pwd", "mfa"],)]


def test_secrets_are_sealed(pool: Pool) -> None:
    """A copy of the database opens no secret, and a node without the key says so instead of refusing codes."""
    app, codes = with_app(pool, "ada"), with_codes(pool, "ada")
    with pool.connection() as connection:
        rows = connection.execute("SELECT t::text FROM totp t UNION ALL SELECT r::text FROM recovery_code r").fetchall()
        raw = connection.execute("SELECT sealed FROM totp").fetchone()
    assert raw is not None
    assert app.secret.encode() not in bytes(raw[0])
    assert not any(code.replace("-", "") in row[0] for row in rows for code in codes)
    with pytest.raises(HealixError, match="cannot be checked"):
        transaction(pool, lambda: totp.accept(Seal(bytes([1] * 32)), "ada", app.now(), time.time()))


def test_changes_need_a_fresh_login(database_url: str, pool: Pool) -> None:
    """Ten minutes after the login nothing is changed before the person shows again who it is, with both steps."""
    app = with_app(pool, "ada")
    with_codes(pool, "ada")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        await second(client, code=app.at(time.time() - 30))
        with pool.connection() as connection:
            connection.execute("UPDATE session SET created = created - interval '11 minutes'")
        page = await client.get(SECURITY)
        assert AGAIN in page.text
        assert "Remove" not in page.text
        for path in ("authenticator", "authenticator/confirm", "authenticator/remove", "codes"):
            refused = await client.post(f"{SECURITY}/{path}", data={"csrf": csrf(page), "code": app.now()})
            assert refused.headers["location"] == AGAIN
        assert (await client.get(f"{SECURITY}/authenticator")).headers["location"] == AGAIN
        form = await client.get(AGAIN)
        assert 'value="ada"' in form.text
        fields = {"username": "ada", "password": PASSWORD, "csrf": csrf(form), "after": "security"}
        assert (await client.post("/account/login", data=fields)).headers["location"] == SECOND
        assert AGAIN in (await client.get(SECURITY)).text
        assert (await second(client, code=app.now())).headers["location"] == SECURITY
        assert "Remove" in (await client.get(SECURITY)).text

    browsing(database_url, use)
    assert changes(pool) == []


def test_signing_in_again_keeps_online_access(database_url: str, pool: Pool) -> None:
    """Apps that were let in for as long as somebody is signed in stay in when the same person signs in again."""
    account(pool, "bob", "admin")
    query = "SELECT count(*) FROM app_grant g JOIN session s ON s.hash = g.session WHERE s.username = g.username"

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        with pool.connection() as connection:
            connection.execute(
                """INSERT INTO app_grant (id, client, username, context, session, code_hash, code_expires)
                   SELECT 'g', 'app', 'ada', '{}', hash, '', now() FROM session"""
            )
        for name, living in (("ada", 1), ("bob", 0)):
            form = await client.get(AGAIN)
            fields = {"username": name, "password": PASSWORD, "csrf": csrf(form), "after": "security"}
            assert (await client.post("/account/login", data=fields)).headers["location"] == SECURITY
            with pool.connection() as connection:
                assert connection.execute(query).fetchone() == (living,)
                assert connection.execute("SELECT count(*) FROM session").fetchone() == (1,)

    browsing(database_url, use)


@pytest.mark.spec("OWASP ASVS 5.0 7.4.3")
def test_removal(database_url: str, pool: Pool) -> None:
    """Without the app the password is enough again; codes are worthless and other browsers signed out."""
    transaction(pool, lambda: open_session("ada"))

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        await set_up_app(client)
        page = await client.get(SECURITY)
        removed = await client.post(f"{SECURITY}/authenticator/remove", data={"csrf": csrf(page)})
        assert removed.headers["location"] == SECURITY
        assert "Recovery codes" not in (await client.get(SECURITY)).text
        assert (await client.post(f"{SECURITY}/codes", data={"csrf": csrf(page)})).status_code == 400

    browsing(database_url, use)
    assert changes(pool)[-1] == ("D", "authenticator app")
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM session").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM recovery_code").fetchone() == (0,)


def test_new_codes_end_the_old_ones(database_url: str, pool: Pool) -> None:
    """Codes that are made anew are ten others, and only they are good."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        _, done = await set_up_app(client)
        renewed = await client.post(f"{SECURITY}/codes", data={"csrf": csrf(await client.get(SECURITY))})
        old, new = codes_of(done), codes_of(renewed)
        assert len({*old, *new}) == 20
        client.cookies.clear()
        await sign_in(client, "ada")
        assert (await second(client, recovery=old[0])).status_code == 401
        assert (await second(client, recovery=new[0])).status_code == 303

    browsing(database_url, use)


def test_forms_of_others_change_nothing(database_url: str, pool: Pool) -> None:
    """Without the hidden value nothing is changed, and nobody is served who is not signed in."""
    paths = ("authenticator", "authenticator/confirm", "authenticator/remove", "codes")

    async def use(client: httpx.AsyncClient) -> None:
        for path in paths:
            refused = await client.post(f"{SECURITY}/{path}", data={"csrf": ""})
            assert refused.headers["location"] == "/account/login"
        assert (await client.get(SECURITY)).headers["location"] == "/account/login"
        await sign_in(client, "ada")
        for path in paths:
            assert (await client.post(f"{SECURITY}/{path}", data={"csrf": "0" * 64})).status_code == 403

    browsing(database_url, use)
    assert changes(pool) == []


def test_required_of_staff(database_url: str, pool: Pool) -> None:
    """Where it is required, a login without a factor sets one up before it opens anything; patients do without."""
    account(pool, "eve", "patient", "Patient/p3")

    async def use(client: httpx.AsyncClient) -> None:
        assert (await sign_in(client, "eve")).headers["location"] == "/account/"
        client.cookies.clear()
        await sign_in(client, "ada")
        assert (await client.get(SECOND)).headers["location"] == SETUP
        assert (await client.get("/account/")).headers["location"] == "/account/login"
        assert (await client.get(SECURITY)).headers["location"] == "/account/login"
        page = await client.get(f"{SETUP}/authenticator")
        assert page.headers["location"] == SETUP
        app, done = await set_up_app(client, SETUP)
        assert len(codes_of(done)) == 10
        assert 'href="/account/"' in done.text
        assert (await client.get("/account/")).status_code == 200
        page = await client.get(SECURITY)
        refused = await client.post(f"{SECURITY}/authenticator/remove", data={"csrf": csrf(page)})
        assert refused.status_code == 403
        assert "required of your account" in refused.text
        client.cookies.clear()
        await sign_in(client, "ada")
        assert (await client.get(SETUP)).headers["location"] == SECOND
        assert (await second(client, code=app.at(time.time() + 30))).status_code == 303

    browsing(database_url, use, required="staff")


def test_of_two_first_factors_one_counts(database_url: str, pool: Pool) -> None:
    """A second login that waits for a first factor cannot replace the one that another has set up meanwhile."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await client.get(SETUP)
        waiting = dict(client.cookies)
        client.cookies.clear()
        await sign_in(client, "ada")
        await set_up_app(client, SETUP)
        client.cookies.clear()
        for name, value in waiting.items():
            client.cookies.set(name, value, domain="healix.test")
        for path in ("authenticator", "authenticator/confirm"):
            answer = await client.post(f"{SETUP}/{path}", data={"csrf": csrf(page), "code": "123456"})
            assert answer.headers["location"] == SECOND

    browsing(database_url, use, required="all")
    assert [what for _, what in changes(pool)] == ["authenticator app", "recovery codes"]
