"""The token endpoint: refresh tokens, each good for one exchange."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from healix_fhir.kernel.database import transaction
from smart_auth.oauth.sessions import close_session, open_session
from smart_auth.oauth.tokens import end_grant
from smart_auth.store import digest, disable_user
from tests.integration.smart_auth.test_token_code import ask, opens
from tests.support.gate import Pool
from tests.support.oauth import SCOPE, app, code, exchange, patient_account, refreshing, server


@pytest.fixture
def client_id(pool: Pool) -> str:
    """A public client, and the account `ada`."""
    patient_account(pool)
    return app(pool)[0]


def first(url: str, pool: Pool, client_id: str, **values: Any) -> dict[str, Any]:
    """The answer to the redemption of a code."""
    (answer,) = ask(url, exchange(client_id, code(pool, client_id, **values)))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def later(pool: Pool, seconds: int) -> None:
    """Let time pass for the refresh tokens that were used."""
    with pool.connection() as connection:
        connection.execute("UPDATE refresh_token SET used = used - make_interval(secs => %s)", (seconds,))


@pytest.mark.spec("RFC 6749 6")
def test_rotation(database_url: str, pool: Pool, client_id: str) -> None:
    """A refresh gives new tokens in the same context; a public client need not name itself."""
    given = first(database_url, pool, client_id, encounter="e1")
    (answer,) = ask(database_url, refreshing(given["refresh_token"]))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    again = answer.json()
    assert (again["scope"], again["patient"], again["encounter"]) == (SCOPE, "p1", "e1")
    assert {again["access_token"], again["refresh_token"]}.isdisjoint({given["access_token"], given["refresh_token"]})
    assert opens(pool, again["access_token"]).patient == "p1"
    assert ask(database_url, refreshing(again["refresh_token"], client_id=client_id))[0].status_code == 200
    with pool.connection() as connection:
        rows = connection.execute("SELECT generation FROM refresh_token ORDER BY generation").fetchall()
        text = connection.execute("SELECT string_agg(t::text, '') FROM refresh_token t").fetchone()
    assert rows == [(1,), (2,), (3,)]
    assert text is not None
    assert again["refresh_token"] not in text[0]


def test_retry_gets_the_same_answer(database_url: str, pool: Pool, client_id: str) -> None:
    """A client whose answer got lost asks again within 30 seconds and gets the tokens that it missed."""
    given = first(database_url, pool, client_id)
    one, two = ask(database_url, *[refreshing(given["refresh_token"])] * 2)
    assert two.status_code == 200
    made_anew = {"expires_in": 0, "id_token": ""}  # id tokens tell the second in which they are made
    assert {**one.json(), **made_anew} == {**two.json(), **made_anew}
    later(pool, 25)
    assert ask(database_url, refreshing(given["refresh_token"]))[0].status_code == 200


@pytest.mark.spec("RFC 9700 4.14.2")
@pytest.mark.parametrize("how", ["late", "after its successor", "generations later"])
def test_reuse_ends_the_family(database_url: str, pool: Pool, client_id: str, how: str) -> None:
    """A refresh token that comes again too late, or after its successor was used, ends all tokens of its grant."""
    given = first(database_url, pool, client_id)
    latest = ask(database_url, refreshing(given["refresh_token"]))[0].json()
    if how == "late":
        later(pool, 31)
    else:
        for _ in range(1 if how == "after its successor" else 3):
            latest = ask(database_url, refreshing(latest["refresh_token"]))[0].json()
    (reused,) = ask(database_url, refreshing(given["refresh_token"]))
    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    assert opens(pool, latest["access_token"]) is None
    assert opens(pool, given["access_token"]) is None
    assert ask(database_url, refreshing(latest["refresh_token"]))[0].json()["error"] == "invalid_grant"
    with pool.connection() as connection:
        row = connection.execute(
            "SELECT client, account FROM audit_event WHERE query LIKE 'a refresh token was used%'"
        ).fetchone()
    assert row == (client_id, "ada")


def test_fifty_refreshes_at_once(database_url: str, pool: Pool, client_id: str) -> None:
    """Fifty refreshes with one token at once make one new token of each kind, whoever hears of it."""
    given = first(database_url, pool, client_id)

    async def main() -> list[httpx.Response]:
        async with server(database_url) as client:
            asked = [client.post("/oauth/token", data=refreshing(given["refresh_token"])) for _ in range(50)]
            return list(await asyncio.gather(*asked))

    answers = asyncio.run(main())
    assert {answer.status_code for answer in answers} == {200}
    assert len({(answer.json()["access_token"], answer.json()["refresh_token"]) for answer in answers}) == 1
    with pool.connection() as connection:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM refresh_token), (SELECT count(*) FROM access_token)"
        ).fetchone()
    assert counts == (2, 2)
    assert ask(database_url, refreshing(answers[0].json()["refresh_token"]))[0].status_code == 200


def test_refresh_against_revocation(database_url: str, pool: Pool, client_id: str) -> None:
    """Whatever comes first, after a revocation no token of the grant is good."""
    for _ in range(10):
        given = first(database_url, pool, client_id)
        with pool.connection() as connection:
            row = connection.execute("SELECT id FROM app_grant WHERE ended IS NULL").fetchone()
        assert row is not None
        grant_id: str = row[0]

        async def main(token: str = given["refresh_token"], grant_id: str = grant_id) -> httpx.Response:
            async with server(database_url) as client:
                ending = asyncio.to_thread(transaction, pool, lambda: end_grant(grant_id))
                answer, _ = await asyncio.gather(client.post("/oauth/token", data=refreshing(token)), ending)
                return answer

        answer = asyncio.run(main())
        tokens = [given["access_token"]] + ([answer.json()["access_token"]] if answer.status_code == 200 else [])
        assert [opens(pool, token) for token in tokens] == [None] * len(tokens)
        if answer.status_code == 200:
            (after,) = ask(database_url, refreshing(answer.json()["refresh_token"]))
            assert after.json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC 6749 6")
@pytest.mark.parametrize(
    ("scope", "status", "granted"),
    [
        ("patient/Observation.rs", 200, "patient/Observation.rs"),
        ("patient/*.r openid", 200, "patient/*.r openid"),
        ("patient/*.cruds", 400, "invalid_scope"),
        ("patient/*.rs user/*.rs", 400, "invalid_scope"),
        ("system/*.rs", 400, "invalid_scope"),
        ("patient/*.rs unknown", 400, "invalid_scope"),
    ],
)
def test_narrower_scope(database_url: str, pool: Pool, client_id: str, scope: str, status: int, granted: str) -> None:
    """A refresh may ask for less than was granted, never for more; the next may have all of it again."""
    given = first(database_url, pool, client_id)
    (answer,) = ask(database_url, refreshing(given["refresh_token"], scope=scope))
    assert answer.status_code == status
    assert answer.json()["scope" if status == 200 else "error"] == granted
    following = answer.json().get("refresh_token", given["refresh_token"])
    assert ask(database_url, refreshing(following))[0].json()["scope"] == SCOPE


def test_refresh_token_of_another_client(database_url: str, pool: Pool, client_id: str) -> None:
    """A refresh token is good for its own client only, and a confidential one must prove itself."""
    other, _ = app(pool)
    given = first(database_url, pool, client_id)
    (answer,) = ask(database_url, refreshing(given["refresh_token"], client_id=other))
    assert answer.json()["error"] == "invalid_grant"
    id_, secret = app(pool, auth="client_secret_basic")
    assert secret is not None
    auth = httpx.BasicAuth(id_, secret)
    (answer,) = ask(database_url, exchange(id_, code(pool, id_)), auth=auth)
    token = answer.json()["refresh_token"]
    for fields in ({}, {"client_id": id_}):
        (refused,) = ask(database_url, refreshing(token, **fields))
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert ask(database_url, refreshing(token), auth=auth)[0].status_code == 200


@pytest.mark.parametrize("form", [{}, {"refresh_token": "unknown"}])
def test_unknown_refresh_tokens(database_url: str, pool: Pool, client_id: str, form: dict[str, str]) -> None:
    """A missing refresh token is an invalid request, an unknown one an invalid grant."""
    (answer,) = ask(database_url, {"grant_type": "refresh_token", "client_id": client_id} | form)
    assert answer.json()["error"] == ("invalid_grant" if form else "invalid_request")


def test_online_access_ends_with_the_session(database_url: str, pool: Pool, client_id: str) -> None:
    """With online_access the refresh token dies when its person signs out; with offline_access it lives on."""
    cookie = transaction(pool, lambda: open_session("ada"))
    online = {"scope": "patient/*.rs online_access", "session": digest(cookie)}
    given = first(database_url, pool, client_id, **online)
    lasting = first(database_url, pool, client_id, session=digest(cookie))
    given = ask(database_url, refreshing(given["refresh_token"]))[0].json()
    transaction(pool, lambda: close_session(cookie))
    assert ask(database_url, refreshing(given["refresh_token"]))[0].json()["error"] == "invalid_grant"
    assert ask(database_url, refreshing(lasting["refresh_token"]))[0].status_code == 200


@pytest.mark.parametrize(
    "ageing",
    ["UPDATE session SET created = created - interval '13 hours'", "UPDATE session SET hash = '\\x00'"],
)
def test_online_access_ends_with_its_own_session(database_url: str, pool: Pool, client_id: str, ageing: str) -> None:
    """A session that is older than any may be, or is another one, keeps no refresh token alive."""
    cookie = transaction(pool, lambda: open_session("ada"))
    given = first(database_url, pool, client_id, scope="patient/*.rs online_access", session=digest(cookie))
    with pool.connection() as connection:
        connection.execute(ageing)
    assert ask(database_url, refreshing(given["refresh_token"]))[0].json()["error"] == "invalid_grant"


def test_online_access_without_a_session(database_url: str, pool: Pool, client_id: str) -> None:
    """Online refresh tokens last no longer than a session may, counted from the consent, however often they rotate."""
    given = first(database_url, pool, client_id, scope="patient/*.rs online_access")
    ask(database_url, refreshing(given["refresh_token"]))
    with pool.connection() as connection:
        rows = connection.execute(
            "SELECT t.expires - created = interval '12 hours' FROM refresh_token t JOIN app_grant g ON g.id = grant_id"
        ).fetchall()
    assert rows == [(True,), (True,)]


def test_closed_accounts_and_expiry(database_url: str, pool: Pool, client_id: str) -> None:
    """The refresh tokens of a closed account and those that lay too long are worth nothing."""
    given, old = first(database_url, pool, client_id), first(database_url, pool, client_id)
    with pool.connection() as connection:
        connection.execute("UPDATE refresh_token SET expires = now() WHERE hash = %s", (digest(old["refresh_token"]),))
    assert ask(database_url, refreshing(old["refresh_token"]))[0].json()["error"] == "invalid_grant"
    transaction(pool, lambda: disable_user("ada"))
    assert ask(database_url, refreshing(given["refresh_token"]))[0].json()["error"] == "invalid_grant"
