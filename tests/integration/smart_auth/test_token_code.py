"""The token endpoint: codes become tokens, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from healix_fhir.kernel.database import transaction
from smart_auth.store import digest, disable_user, find
from tests.support.gate import Pool
from tests.support.oauth import CALLBACK, SCOPE, VERIFIER, app, code, exchange, patient_account, server

Exchange = Callable[[dict[str, str]], httpx.Response]


@pytest.fixture
def client_id(pool: Pool) -> str:
    """A public client, and the account `ada`."""
    patient_account(pool)
    return app(pool)[0]


def ask(url: str, *forms: dict[str, str], **options: Any) -> list[httpx.Response]:
    """The answers to these forms, sent one after another."""

    async def main() -> list[httpx.Response]:
        async with server(url) as client:
            return [await client.post("/oauth/token", data=form, **options) for form in forms]

    return asyncio.run(main())


def opens(pool: Pool, token: str) -> Any:
    """What an access token opens, or None."""
    found = transaction(pool, lambda: find([digest(token)])).get(digest(token))
    return found.access if found else None


@pytest.mark.spec("RFC 6749 5.1")
def test_code_becomes_tokens(database_url: str, pool: Pool, client_id: str) -> None:
    """The answer has the tokens, the granted scope and the launch context, and must not be stored."""
    context: dict[str, Any] = {
        "encounter": "e1", "fhir_context": [{"reference": "ImagingStudy/1"}], "intent": "reconcile",
        "need_patient_banner": False, "smart_style_url": "https://healix.test/style.json", "tenant": "t1",
    }  # fmt: skip
    (answer,) = ask(database_url, exchange(client_id, code(pool, client_id, **context)))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    given = answer.json()
    access, refresh, id_token = (given.pop(name) for name in ("access_token", "refresh_token", "id_token"))
    assert given == {
        "token_type": "Bearer", "expires_in": 3600, "scope": SCOPE, "patient": "p1", "encounter": "e1",
        "fhirContext": [{"reference": "ImagingStudy/1"}], "intent": "reconcile", "need_patient_banner": False,
        "smart_style_url": "https://healix.test/style.json", "tenant": "t1",
    }  # fmt: skip
    assert len({access, refresh, id_token}) == 3
    assert (opens(pool, access).patient, opens(pool, access).origin.client) == ("p1", client_id)


@pytest.mark.parametrize("words", ["patient/*.rs", "openid patient/*.rs"])
def test_only_what_was_granted(database_url: str, pool: Pool, client_id: str, words: str) -> None:
    """Without offline_access or online_access there is no refresh token, without openid no id token."""
    (answer,) = ask(database_url, exchange(client_id, code(pool, client_id, scope=words, patient=None)))
    assert answer.json()["scope"] == words
    assert "refresh_token" not in answer.json()
    assert ("id_token" in answer.json()) is ("openid" in words)
    assert "patient" not in answer.json()


@pytest.mark.spec("RFC 6749 4.1.3")
@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"code": "unknown"}, 400, "invalid_grant"),
        ({"code": "\ud800"}, 400, "invalid_request"),
        ({"code": ""}, 400, "invalid_request"),
        ({"redirect_uri": CALLBACK + "/"}, 400, "invalid_grant"),
        ({"redirect_uri": CALLBACK.upper()}, 400, "invalid_grant"),
        ({"redirect_uri": "ü"}, 400, "invalid_grant"),
        ({"redirect_uri": ""}, 400, "invalid_request"),
        ({"code_verifier": ""}, 400, "invalid_request"),
        ({"code_verifier": "x" * 43}, 400, "invalid_grant"),
        ({"code_verifier": VERIFIER[:-1]}, 400, "invalid_grant"),
        ({"code_verifier": "ü" * 50}, 400, "invalid_grant"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"client_id": "unknown"}, 401, "invalid_client"),
        ({"client_secret": "x"}, 401, "invalid_client"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 400, "unauthorized_client"),
    ],
)
def test_refusals(
    database_url: str, pool: Pool, client_id: str, fields: dict[str, str], status: int, error: str
) -> None:
    """Each flaw of a request has its error and status, keeps nothing, is audited, and leaves the code as it was."""
    value = code(pool, client_id)
    form = exchange(client_id, value) | fields
    body = "&".join(f"{name}={_quoted(text)}" for name, text in form.items())

    async def main() -> list[httpx.Response]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        async with server(database_url) as client:
            refused = await client.post("/oauth/token", content=body, headers=headers)
            return [refused, await client.post("/oauth/token", data=exchange(client_id, value))]

    refused, good = asyncio.run(main())
    assert (refused.status_code, refused.json()["error"]) == (status, error)
    assert refused.json()["error_description"].isascii()
    assert refused.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in refused.headers) is (status == 401)
    assert good.status_code == 200
    with pool.connection() as connection:
        rows = connection.execute("SELECT subtype, address FROM audit_event WHERE outcome = 4").fetchall()
    assert rows == [("token", "192.0.2.9")]


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


@pytest.mark.spec("RFC 6749 3.2")
@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"grant_type=authorization_code&code=a&code=b", "application/x-www-form-urlencoded", 400),
        (b'{"grant_type": "authorization_code"}', "application/json", 400),
        (b"\xff", "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % n for n in range(60)), "application/x-www-form-urlencoded", 400),
        (b"code=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_malformed_forms(database_url: str, body: bytes, kind: str, status: int) -> None:
    """Parameters that stand twice, other media types and what is too large are refused, not guessed at."""

    async def main() -> httpx.Response:
        async with server(database_url) as client:
            return await client.post("/oauth/token", content=body, headers={"Content-Type": kind})

    answer = asyncio.run(main())
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")


def test_codes_expire(database_url: str, pool: Pool, client_id: str) -> None:
    """A code is good for a minute, a closed account's not at all."""
    late, closed = code(pool, client_id), code(pool, client_id)
    with pool.connection() as connection:
        connection.execute("UPDATE app_grant SET code_expires = now() WHERE code_hash = %s", (digest(late),))
    (answer,) = ask(database_url, exchange(client_id, late))
    assert answer.json()["error"] == "invalid_grant"
    transaction(pool, lambda: disable_user("ada"))
    (answer,) = ask(database_url, exchange(client_id, closed))
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC 9700 4.5")
def test_code_of_another_client(database_url: str, pool: Pool, client_id: str) -> None:
    """A code that was given to one client is worth nothing in the hands of another, and stays good for its own."""
    value, other = code(pool, client_id), app(pool)[0]
    refused, good = ask(database_url, exchange(other, value), exchange(client_id, value))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert good.status_code == 200


@pytest.mark.spec("RFC 6749 4.1.2")
def test_second_use_of_a_code_revokes(database_url: str, pool: Pool, client_id: str) -> None:
    """A code that comes twice takes back all that it gave, and the trail says so."""
    value = code(pool, client_id)
    first, second = ask(database_url, exchange(client_id, value), exchange(client_id, value, code_verifier="x" * 43))
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")
    assert opens(pool, first.json()["access_token"]) is None
    form = {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"], "client_id": client_id}
    assert ask(database_url, form)[0].json()["error"] == "invalid_grant"
    with pool.connection() as connection:
        row = connection.execute(
            "SELECT account, client FROM audit_event WHERE query LIKE 'a code was used%'"
        ).fetchone()
    assert row == ("ada", client_id)


def test_fifty_redemptions_at_once(database_url: str, pool: Pool, client_id: str) -> None:
    """Of fifty redemptions of one code at once, one is answered with tokens."""
    form = exchange(client_id, code(pool, client_id))

    async def main() -> list[httpx.Response]:
        async with server(database_url) as client:
            asked: list[Awaitable[httpx.Response]] = [client.post("/oauth/token", data=form) for _ in range(50)]
            return list(await asyncio.gather(*asked))

    answers = asyncio.run(main())
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM access_token").fetchone() == (1,)


@pytest.mark.spec("RFC 6749 2.3.1")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_confidential_clients(database_url: str, pool: Pool, method: str) -> None:
    """A client proves itself in the way that it is registered with, and in no other."""
    patient_account(pool)
    id_, secret = app(pool, auth=method)
    assert secret is not None
    basic, post = httpx.BasicAuth(id_, secret), {"client_secret": secret}
    right, wrong = (basic, post) if method == "client_secret_basic" else (post, basic)

    def send(proof: Any) -> httpx.Response:
        form = exchange(id_, code(pool, id_))
        if isinstance(proof, dict):
            return ask(database_url, form | proof)[0]
        return ask(database_url, form, auth=proof)[0] if proof else ask(database_url, form)[0]

    assert send(right).status_code == 200
    for proof in (wrong, None, httpx.BasicAuth(id_, "x"), httpx.BasicAuth("x", secret), {"client_secret": "x"}):
        answer = send(proof)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    form = exchange(id_, code(pool, id_)) | post
    assert ask(database_url, form, auth=basic)[0].json()["error"] == "invalid_request"
