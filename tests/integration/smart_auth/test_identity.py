"""Id tokens, the keys that sign them, and where both are found."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import stat
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import transaction
from smart_auth.oauth.seal import FILE, Seal, seal_of
from smart_auth.oauth.signing import SigningKeys
from tests.support.gate import Pool
from tests.support.oauth import ISSUER, app, code, exchange, patient_account, refreshing, server

SEAL = Seal(bytes(32))


@pytest.fixture
def client_id(pool: Pool) -> str:
    """A public client, and the account `ada`."""
    patient_account(pool)
    return app(pool)[0]


def issued(url: str, pool: Pool, client_id: str, *, seal: Seal = SEAL, **values: Any) -> tuple[str, dict[str, Any]]:
    """An id token, and the key set that is published."""

    async def main() -> tuple[httpx.Response, httpx.Response]:
        async with server(url, seal=seal) as client:
            form = exchange(client_id, code(pool, client_id, **values))
            return await client.post("/oauth/token", data=form), await client.get("/.well-known/jwks.json")

    answer, keys = asyncio.run(main())
    assert answer.status_code == 200, answer.text
    return answer.json()["id_token"], keys.json()


def claims(token: str, keys: dict[str, Any]) -> dict[str, Any]:
    """The claims of a token that one of the keys has signed."""
    decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=["RS256"])  # type: ignore[arg-type]
    assert decoded.header["kid"] in [key["kid"] for key in keys["keys"]]
    return dict(decoded.claims)


@pytest.mark.spec("OpenID Connect Core 1.0 2")
def test_id_token(database_url: str, pool: Pool, client_id: str) -> None:
    """An id token says who signed in when, to which client, for which request, and is signed with a published key."""
    token, keys = issued(database_url, pool, client_id)
    stated = claims(token, keys)
    now = time.time()
    assert now - 5 < stated.pop("iat") <= now
    assert now + 3590 < stated.pop("exp") <= now + 3600
    subject = stated.pop("sub")
    assert uuid.UUID(subject).version == 4
    assert len(stated.pop("at_hash")) == 22
    assert stated == {
        "iss": ISSUER, "aud": client_id, "auth_time": 1_700_000_000, "nonce": "n-1",
        "fhirUser": f"{ISSUER}/fhir/Patient/p1",
    }  # fmt: skip
    again, keys = issued(database_url, pool, client_id, scope="openid profile", nonce=None)
    assert (claims(again, keys)["sub"], "nonce" in claims(again, keys)) == (subject, False)
    assert claims(again, keys)["profile"] == f"{ISSUER}/fhir/Patient/p1"
    assert "fhirUser" not in claims(again, keys)


@pytest.mark.spec("RFC 8176 section 1")
@pytest.mark.parametrize(
    ("methods", "level"),
    [(["pwd"], "urn:healix:acr:one-factor"), (["pwd", "otp", "mfa"], "urn:healix:acr:two-factors")],
)
def test_how_somebody_signed_in(database_url: str, pool: Pool, client_id: str, methods: list[str], level: str) -> None:
    """An id token says by which methods the person signed in, and what class that is."""
    stated = claims(*issued(database_url, pool, client_id, methods=methods))
    assert (stated["amr"], stated["acr"]) == (methods, level)


@pytest.mark.spec("OpenID Connect Core 1.0 3.1.3.6")
@pytest.mark.spec("OpenID Connect Core 1.0 12.2")
def test_id_tokens_of_a_grant(database_url: str, pool: Pool, client_id: str) -> None:
    """Each token comes with an id token for it, of the same login; only the first answers the nonce."""

    async def main() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        async with server(database_url, seal=SEAL) as client:
            answers = [(await client.post("/oauth/token", data=exchange(client_id, code(pool, client_id)))).json()]
            form = refreshing(answers[0]["refresh_token"])
            answers += [(await client.post("/oauth/token", data=form)).json() for _ in range(2)]
            form = refreshing(answers[1]["refresh_token"], scope="patient/*.rs")
            answers.append((await client.post("/oauth/token", data=form)).json())
            return answers, (await client.get("/.well-known/jwks.json")).json()

    answers, keys = asyncio.run(main())
    assert "id_token" not in answers.pop()
    stated = [claims(one["id_token"], keys) for one in answers]
    for one, told in zip(answers, stated, strict=True):
        half = hashlib.sha256(one["access_token"].encode()).digest()[:16]
        assert told["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    assert [told.get("nonce") for told in stated] == ["n-1", None, None]
    for name in ("iss", "sub", "aud", "auth_time", "fhirUser"):
        assert len({told[name] for told in stated}) == 1


@pytest.mark.spec("OpenID Connect Core 1.0 8")
def test_subjects(database_url: str, pool: Pool, client_id: str) -> None:
    """Each account has its own identifier, which is another one for an account made anew under the same name."""
    with pool.connection() as connection:
        connection.execute("DELETE FROM account WHERE username = 'ada'")
    patient_account(pool)
    token, keys = issued(database_url, pool, client_id)
    first = claims(token, keys)["sub"]
    with pool.connection() as connection:
        connection.execute("DELETE FROM account WHERE username = 'ada'")
    patient_account(pool)
    token, keys = issued(database_url, pool, client_id)
    assert claims(token, keys)["sub"] != first


@pytest.mark.spec("OpenID Connect Core 1.0 10.1.1")
def test_rotation(database_url: str, pool: Pool, client_id: str) -> None:
    """After a rotation a new key signs; the old one stays published until its tokens have expired."""
    old, _ = issued(database_url, pool, client_id)
    kid = transaction(pool, lambda: SigningKeys(SEAL).rotate(Origin("healix-cli")))
    new, keys = issued(database_url, pool, client_id)
    assert keys["keys"][0]["kid"] == kid
    assert len(keys["keys"]) == 2
    claims(old, keys)
    assert jwt.decode(new, KeySet.import_key_set(keys), algorithms=["RS256"]).header["kid"] == kid  # type: ignore[arg-type]
    with pool.connection() as connection:
        connection.execute("UPDATE signing_key SET retired = retired - interval '2 hours'")
    _, keys = issued(database_url, pool, client_id)
    assert [key["kid"] for key in keys["keys"]] == [kid]


@pytest.mark.spec("OpenID Connect Discovery 1.0 3")
def test_a_key_is_published_before_it_signs(database_url: str, pool: Pool, client_id: str) -> None:
    """Who reads the keys before anybody has signed in may keep them: the first id token is signed with one of them."""

    async def main() -> list[dict[str, Any]]:
        async with server(database_url, seal=SEAL) as client:
            return [(await client.get("/.well-known/jwks.json")).json() for _ in range(2)]

    first, second = asyncio.run(main())
    assert [sorted(key) for key in first["keys"]] == [["alg", "e", "kid", "kty", "n", "use"]]
    assert second == first
    token, _ = issued(database_url, pool, client_id)
    claims(token, first)


def test_private_keys_are_sealed(database_url: str, pool: Pool, client_id: str) -> None:
    """What is published is public, and a copy of the database cannot sign."""
    _, keys = issued(database_url, pool, client_id)
    assert [sorted(key) for key in keys["keys"]] == [["alg", "e", "kid", "kty", "n", "use"]]
    with pool.connection() as connection:
        row = connection.execute("SELECT kid, sealed FROM signing_key").fetchone()
    assert row is not None
    sealed = bytes(row[1])
    assert b'"d"' not in sealed
    assert Seal(bytes(range(32))).open(sealed, row[0]) is None
    assert SEAL.open(sealed, "other") is None
    assert b'"d"' in (SEAL.open(sealed, row[0]) or b"")


def test_nodes_with_secrets_of_their_own(database_url: str, pool: Pool, client_id: str) -> None:
    """A node that cannot open the key of another signs with its own; both are published, and neither makes more."""
    other = Seal(bytes(range(32)))
    tokens = [issued(database_url, pool, client_id, seal=seal) for seal in (SEAL, other, SEAL, other)]
    _, keys = tokens[-1]
    assert len(keys["keys"]) == 2
    for token, _ in tokens:
        claims(token, keys)


def test_first_use_at_once(database_url: str, pool: Pool, client_id: str) -> None:
    """Processes that need the first key at the same moment make one."""

    async def main() -> list[httpx.Response]:
        forms = [exchange(client_id, code(pool, client_id)) for _ in range(4)]
        async with server(database_url) as one, server(database_url) as two:
            asked = [
                node.post("/oauth/token", data=form) for node, form in zip([one, two, one, two], forms, strict=True)
            ]
            return list(await asyncio.gather(*asked))

    assert {answer.status_code for answer in asyncio.run(main())} == {200}
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM signing_key").fetchone() == (1,)


def test_secret_of_a_data_directory(tmp_path: Path) -> None:
    """The secret is made once, for its owner only, and is the same for all processes."""
    directory = tmp_path / "new"
    sealed = seal_of(directory).close(b"text", "label")
    assert seal_of(directory).open(sealed, "label") == b"text"
    assert stat.S_IMODE((directory / FILE).stat().st_mode) == 0o600
    assert [file.name for file in directory.iterdir()] == [FILE]


@pytest.mark.spec("smart-app-launch/STU2.2/conformance.html#using-well-known")
@pytest.mark.parametrize(
    "path",
    [
        "/fhir/.well-known/smart-configuration",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
    ],
)
@pytest.mark.spec("RFC 8414 section 3")
def test_documents(database_url: str, path: str) -> None:
    """The documents answer JSON without a token, whatever is accepted; each address in them is one of this server."""

    async def main() -> tuple[httpx.Response, list[int]]:
        async with server(database_url) as client:
            answer = await client.get(path, headers={"Accept": "text/html"})
            named = [value for name, value in answer.json().items() if name.endswith(("_endpoint", "_uri"))]
            return answer, [(await client.request("OPTIONS", url)).status_code for url in named]

    answer, statuses = asyncio.run(main())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert 404 not in statuses
    assert len(statuses) == (0 if "jwks" in path else 7)
