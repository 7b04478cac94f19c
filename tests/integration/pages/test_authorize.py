"""An app's request from its arrival to the answer, over the real pages and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from smart_auth.administration.clients import vouch_for
from smart_auth.oauth.grant import Grant
from smart_auth.oauth.identity import Holder, Identity
from smart_auth.oauth.seal import Seal
from smart_auth.oauth.signing import SigningKeys
from tests.support.apps import (
    BACK,
    SCOPE,
    allow,
    app,
    ask,
    asking,
    follow,
    granted,
    request_of,
    send,
    ticked,
    told,
)
from tests.support.gate import Pool
from tests.support.portal import PASSWORD, browser, csrf, sign_in

Use = Callable[[httpx.AsyncClient], Awaitable[None]]

pytestmark = pytest.mark.usefixtures("people")


def browsing(url: str, use: Use) -> None:
    """Run `use` with a browser."""

    async def main() -> None:
        async with browser(url) as client:
            await use(client)

    asyncio.run(main())


async def log_in(client: httpx.AsyncClient, page: httpx.Response, username: str) -> httpx.Response:
    """Fill in the login form that stands in the way of an app's request."""
    return await send(client, page, "login", username=username, password=PASSWORD)


@pytest.mark.spec("SMART App Launch 2.2 app-launch.html#obtain-authorization-code")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_standalone_launch_of_a_patient(database_url: str, pool: Pool, method: str) -> None:
    """A patient signs in for an app, sees what it asks for in words, allows it; the app gets a code for that record."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        if method == "GET":
            page = await ask(client, client_id, nonce="a nonce", login_hint="ada<")
        else:
            form = asking(client_id, nonce="a nonce", login_hint="ada<")
            page = await follow(client, await client.post("/oauth/authorize", data=form))
        assert 'value="ada&lt;"' in page.text
        assert "Growth chart" in page.text
        page = await log_in(client, page, "ada")
        assert ticked(page) == ["patient/Patient.rs", "patient/Observation.rs", *SCOPE.split()[:4]]
        assert "In your record (Ada Byron&lt;b&gt;)" in page.text
        assert "See: measurements and test results" in page.text
        answer = told(await allow(client, page))
        assert set(answer) == {"code", "state", "iss"}
        assert (answer["state"], answer["iss"]) == ("a state", "http://healix.test")

    browsing(database_url, use)
    (grant,) = granted(pool)
    assert (grant.client, grant.username, grant.patient, grant.scope) == (client_id, "ada", "p1", SCOPE)
    assert (grant.nonce, grant.redirect_uri, grant.methods) == ("a nonce", BACK, ("pwd",))
    assert grant.code_challenge == asking(client_id)["code_challenge"]
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM authorization_request").fetchone() == (0,)


WARNING = "Nobody at the clinic has vouched for this app"


@pytest.mark.spec("RFC 7591 5")
def test_an_app_that_registered_itself(database_url: str, pool: Pool) -> None:
    """The consent page and the list of apps warn of it until an administrator vouches for it."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await ask(client, client_id)
        assert WARNING in page.text
        told(await allow(client, page))
        assert "nobody at the clinic has vouched for it" in (await client.get("/account/apps")).text
        await asyncio.to_thread(transaction, pool, lambda: vouch_for(client_id, OPERATOR))
        assert WARNING not in (await ask(client, client_id, prompt="consent")).text
        assert "vouched" not in (await client.get("/account/apps")).text

    browsing(database_url, use)


@pytest.mark.spec("SMART App Launch 2.2 scopes-and-launch-context.html#apps-that-launch-standalone")
def test_a_clinician_chooses_a_patient(database_url: str, pool: Pool) -> None:
    """A clinician chooses among the patients in care, with a search by name; no other patient can be sent."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        page = await ask(client, client_id)
        assert "Ada Byron&lt;b&gt;" in page.text
        assert "Eve" not in page.text
        found = await client.get(f"/account/authorize?request={request_of(page)}&name=bob")
        assert "Bob Hale" in found.text
        assert "Ada" not in found.text
        for other in ("p3", "nobody", "", "x y"):
            refused = await send(client, page, "authorize/patient", patient=other)
            assert refused.status_code == 400
            assert "Choose one of the patients" in refused.text
        consent = await send(client, page, "authorize/patient", patient="p2")
        assert "In the record of Bob Hale" in consent.text
        assert "code" in told(await allow(client, consent))

    browsing(database_url, use)
    assert [grant.patient for grant in granted(pool)] == ["p2"]


def test_a_patient_leaves_the_care_meanwhile(database_url: str, pool: Pool) -> None:
    """Whether the chosen patient is in care is looked at again with the decision."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        consent = await send(client, await ask(client, client_id), "authorize/patient", patient="p2")
        with pool.connection() as connection:
            connection.execute("DELETE FROM care_relationship")
        page = await allow(client, consent)
        assert page.status_code == 200
        assert "No patient is in your care" in page.text

    browsing(database_url, use)
    assert granted(pool) == []


def test_unticked_scopes_are_not_granted(database_url: str, pool: Pool) -> None:
    """The token has what is ticked, and nothing that was not offered; without a scope of a patient, no patient."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await ask(client, client_id)
        nothing = await send(client, page, "authorize/decision", decision="allow")
        assert nothing.status_code == 400
        assert "Nothing is ticked" in nothing.text
        told(await allow(client, page, "patient/Observation.rs", "patient/*.cruds", "system/*.rs"))
        told(await allow(client, await ask(client, client_id, prompt="consent"), "openid", "fhirUser"))

    browsing(database_url, use)
    assert [(grant.scope, grant.patient) for grant in granted(pool)] == [
        ("patient/Observation.rs", "p1"),
        ("openid fhirUser", None),
    ]


@pytest.mark.spec("RFC 6749 section 4.1.2.1")
def test_denied(database_url: str, pool: Pool) -> None:
    """Deny tells the app so, once; the request is over then, and the denial is audited."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await ask(client, client_id)
        other = await send(client, page, "authorize/decision", decision="perhaps")
        assert other.status_code == 400
        answer = told(await send(client, page, "authorize/decision", decision="deny"))
        assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "a state", "http://healix.test")
        again = await allow(client, page)
        assert again.status_code == 400
        assert "is over" in again.text

    browsing(database_url, use)
    assert granted(pool) == []
    with pool.connection() as connection:
        rows = connection.execute("SELECT client, account FROM audit_event WHERE subtype = 'authorize' AND outcome = 4")
        assert rows.fetchall() == [(client_id, "ada")]


def test_a_decision_counts_once(database_url: str, pool: Pool) -> None:
    """Of decisions sent at the same time one makes a code."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await ask(client, client_id)
        answers = await asyncio.gather(*(allow(client, page) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [303, 400, 400, 400, 400]

    browsing(database_url, use)
    assert len(granted(pool)) == 1


def test_consent_is_remembered(database_url: str, pool: Pool) -> None:
    """The same question is not asked twice, another one and one with prompt=consent is; what was unticked stays so."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        assert told(await ask(client, client_id, prompt="none"))["error"] == "consent_required"
        told(await allow(client, await ask(client, client_id), "patient/Patient.rs", "offline_access"))
        assert "code" in told(await ask(client, client_id))
        assert "code" in told(await ask(client, client_id, prompt="none"))
        assert (await ask(client, client_id, prompt="consent")).status_code == 200
        assert (await ask(client, client_id, scope="patient/Patient.rs")).status_code == 200
        assert (await ask(client, app(pool, "Another"))).status_code == 200
        await sign_in_anew(client, "eve")
        assert (await ask(client, client_id)).status_code == 200

    browsing(database_url, use)
    assert {grant.scope for grant in granted(pool)} == {"offline_access patient/Patient.rs"}


@pytest.mark.spec("RFC 8252 section 8.6")
@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000/back", "com.example.app:/back"])
def test_apps_that_may_be_others_are_asked_for_again(database_url: str, pool: Pool, uri: str) -> None:
    """Consent is not taken as given for a public app on the person's own machine, where another may pose as it."""
    client_id = app(pool, redirect_uris=(uri,))

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        for _ in range(2):
            page = await ask(client, client_id, redirect_uri=uri)
            source = "http://127.0.0.1:5000" if uri.startswith("http") else "com.example.app:"
            assert f"form-action 'self' {source};" in page.headers["content-security-policy"] + ";"
            assert (await allow(client, page)).headers["location"].startswith(f"{uri}?code=")

    browsing(database_url, use)


@pytest.mark.spec("OpenID Connect Core 1.0 section 3.1.2.1")
def test_login_anew(database_url: str, pool: Pool) -> None:
    """prompt=login and a passed max_age ask for the password although somebody is signed in, and only once."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        before = client.cookies["healix"]
        assert "Allow" in (await ask(client, client_id, max_age="100")).text
        with pool.connection() as connection:
            connection.execute("UPDATE session SET created = created - interval '101 seconds'")
        assert told(await ask(client, client_id, max_age="100", prompt="none"))["error"] == "login_required"
        for changed in ({"max_age": "100"}, {"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}):
            page = await ask(client, client_id, **changed)
            assert 'name="password"' in page.text
            fields = {"csrf": csrf(page), "request": request_of(page), "decision": "allow", "scope": SCOPE.split()}
            assert (await client.post("/account/authorize/decision", data=fields)).status_code == 403
            assert "Allow" in (await log_in(client, page, "ada")).text
        client.cookies.set("healix", before, domain="healix.test")
        assert (await client.get("/account/")).status_code == 303

    browsing(database_url, use)
    assert granted(pool) == []


def test_nobody_there(database_url: str, pool: Pool) -> None:
    """prompt=none shows no page: without a session, and where a patient has to be chosen, the app is told so."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        assert told(await ask(client, client_id, prompt="none"))["error"] == "login_required"
        await sign_in(client, "dr")
        assert told(await ask(client, client_id, prompt="none"))["error"] == "interaction_required"

    browsing(database_url, use)


def test_nothing_to_grant(database_url: str, pool: Pool) -> None:
    """An administrator cannot grant charts: the app is told, unless it asks who somebody is."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "root")
        assert (
            told(await ask(client, client_id, scope="patient/Patient.rs user/Patient.rs"))["error"] == "invalid_scope"
        )
        assert ticked(await ask(client, client_id)) == ["openid", "fhirUser", "offline_access"]

    browsing(database_url, use)


def test_errors_go_to_the_app(database_url: str, pool: Pool) -> None:
    """What is wrong with a request of a known app at a known address is told to the app at once."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        for changed, error in (
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"aud": "http://other.test/fhir"}, "invalid_request"),
            ({"response_type": "token"}, "unsupported_response_type"),
        ):
            answer = told(await client.get("/oauth/authorize", params=asking(client_id, **changed)))
            assert (answer["error"], answer["state"], answer["iss"]) == (error, "a state", "http://healix.test")
            assert answer["error_description"]

    browsing(database_url, use)


@pytest.mark.spec("RFC 6749 section 4.1.2.1")
@pytest.mark.spec("RFC 9700 section 4.11")
@pytest.mark.parametrize(
    "changed",
    [
        {"redirect_uri": "https://evil.test/"},
        {"redirect_uri": f"{BACK}/../x"},
        {"redirect_uri": f"{BACK}?x"},
        {"redirect_uri": ""},
        {"client_id": "nobody"},
        {"client_id": "no\0body"},
        {"client_id": ""},
        {"state": "\0"},
        {"scope": "x" * 17_000},
    ],
)
def test_no_open_redirect(database_url: str, pool: Pool, changed: dict[str, str]) -> None:
    """Without a known app and one of its own addresses the person sees what is wrong, and is sent nowhere."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        params = asking(client_id, **changed)
        for answer in (
            await client.get("/oauth/authorize", params=params),
            await client.post("/oauth/authorize", data=params),
        ):
            assert answer.status_code in (400, 413)
            assert "location" not in answer.headers
            assert "<h1>" in answer.text

    browsing(database_url, use)


def test_login_leads_nowhere_else(database_url: str) -> None:
    """The name of a request is no address: what names none ends on a page."""

    async def use(client: httpx.AsyncClient) -> None:
        for name in ("https://evil.test/", "//evil.test", "nothing", "a\0b"):
            assert (await client.get("/account/login", params={"request": name})).status_code == 400
            fields = {"username": "ada", "password": PASSWORD, "request": name}
            fields["csrf"] = csrf(await client.get("/account/login"))
            answer = await client.post("/account/login", data=fields)
            assert (answer.status_code, answer.headers.get("location")) == (400, None)

    browsing(database_url, use)


def test_only_own_forms_count(database_url: str, pool: Pool) -> None:
    """A choice or decision without the hidden value, with another session's, or from another site does nothing."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        page = await ask(client, client_id)
        foreign = csrf(page)
        await sign_in_anew(client, "ada")
        page = await ask(client, client_id)
        good = {"request": request_of(page), "decision": "allow", "scope": SCOPE.split(), "patient": "p1"}
        for path in ("patient", "decision"):
            for value in ("", "0" * 64, foreign):
                answer = await client.post(f"/account/authorize/{path}", data={**good, "csrf": value})
                assert answer.status_code == 403
            answer = await client.post(
                f"/account/authorize/{path}",
                data={**good, "csrf": csrf(page)},
                headers={"Sec-Fetch-Site": "cross-site"},
            )
            assert answer.status_code == 403

    browsing(database_url, use)
    assert granted(pool) == []


def test_sessions_do_not_mix(database_url: str, pool: Pool) -> None:
    """What one account chose in a request is not there for the next one in the same browser."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        consent = await send(client, await ask(client, client_id), "authorize/patient", patient="p2")
        id_ = request_of(consent)
        login = await client.get(f"/account/login?request={id_}")
        page = await log_in(client, login, "eve")
        assert "Bob" not in page.text
        assert "Eve Stone" in page.text
        stale = {"csrf": csrf(consent), "request": id_, "decision": "allow", "scope": SCOPE.split()}
        assert (await client.post("/account/authorize/decision", data=stale)).status_code == 403
        told(await allow(client, page))

    browsing(database_url, use)
    assert [(grant.username, grant.patient) for grant in granted(pool)] == [("eve", "p3")]


def test_requests_end(database_url: str, pool: Pool) -> None:
    """A request that nobody decided within half an hour is over."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await ask(client, client_id)
        with pool.connection() as connection:
            connection.execute("UPDATE authorization_request SET created = created - interval '31 minutes'")
        assert (await allow(client, page)).status_code == 400

    browsing(database_url, use)
    assert granted(pool) == []


def test_pages_keep_to_themselves(database_url: str, pool: Pool) -> None:
    """Each page of the flow has no script, may not be framed, and lets a form redirect to the app only."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        login = await ask(client, client_id)
        picker = await log_in(client, login, "dr")
        consent = await send(client, picker, "authorize/patient", patient="p1")
        for page in (login, picker, consent):
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "form-action 'self' https://app.test" in policy
            assert "unsafe" not in policy
            assert "<script" not in page.text
            assert page.headers["cache-control"] == "no-store"

    browsing(database_url, use)


async def sign_in_anew(client: httpx.AsyncClient, username: str) -> None:
    """Sign in as another account in the same browser."""
    client.cookies.clear()
    await sign_in(client, username)


def id_token(pool: Pool, client_id: str, username: str, issuer: str = "http://healix.test") -> str:
    """An id token that an app got for an account."""
    identity = Identity(issuer, f"{issuer}/fhir", SigningKeys(Seal(bytes(32))))
    grant = Grant(client_id, username, "openid", BACK, "c" * 43, 1)
    with pool.connection() as connection:
        row = connection.execute("SELECT subject, fhir_user FROM account WHERE username = %s", (username,)).fetchone()
    assert row is not None
    made = transaction(pool, lambda: identity.token(grant, "openid", Holder(*row), "token"))
    assert made is not None
    return made


@pytest.mark.spec("OpenID Connect Core 1.0 3.1.2.1")
def test_the_person_that_the_app_means(database_url: str, pool: Pool) -> None:
    """With an id token as a hint nobody but that person goes on: silently not at all, else after signing in."""
    client_id = app(pool)
    hint = id_token(pool, client_id, "ada")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "eve")
        silent = told(await ask(client, client_id, prompt="none", id_token_hint=hint))
        assert silent["error"] == "login_required"
        login = await ask(client, client_id, id_token_hint=hint)
        assert 'name="password"' in login.text
        assert "ada" not in login.text
        assert told(await log_in(client, login, "eve"))["error"] == "login_required"
        login = await ask(client, client_id, id_token_hint=hint)
        told(await allow(client, await log_in(client, login, "ada")))
        assert "code" in told(await ask(client, client_id, prompt="none", id_token_hint=hint))

    browsing(database_url, use)
    assert {grant.username for grant in granted(pool)} == {"ada"}


@pytest.mark.spec("OpenID Connect Core 1.0 3.1.2.1")
def test_only_own_id_tokens_are_hints(database_url: str, pool: Pool) -> None:
    """What is no id token of this server for this app is refused, and tells nothing."""
    client_id, other = app(pool), app(pool, "Other")
    signed = id_token(pool, client_id, "ada")
    forged = f"{signed[:-6]}AAAAAA"
    hints = [
        "x", "a.b.c", forged, id_token(pool, other, "ada"), id_token(pool, client_id, "ada", "https://evil.test"),
        "x" * 9000,
    ]  # fmt: skip

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        for hint in hints:
            assert told(await ask(client, client_id, id_token_hint=hint))["error"] == "invalid_request"

    browsing(database_url, use)
