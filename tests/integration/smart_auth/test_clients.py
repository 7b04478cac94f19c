"""Registered apps in a real database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import HealixError
from smart_auth.oauth.clients import Client, NewClient, create_client, find_client
from smart_auth.store import digest
from tests.support.gate import Pool

CALLBACK = "https://app.example/callback"


def key_set(*keys: RSAKey | ECKey, private: bool = False) -> str:
    """A JWK set of these keys."""
    return json.dumps({"keys": [key.as_dict(private=private) for key in keys]})


def registered(pool: Pool, **values: Any) -> Client:
    """A new client, read again."""
    new = NewClient(**{"name": "App", "scope": "patient/*.rs"} | values)
    id_, _ = transaction(pool, lambda: create_client(new))
    found = transaction(pool, lambda: find_client(id_))
    assert found is not None
    return found


def test_public_client(pool: Pool) -> None:
    """A public app gets no secret; it uses codes and refresh tokens at its redirect URIs."""
    uris = (CALLBACK, "http://127.0.0.1:4567/cb", "http://localhost/cb", "com.example.app:/cb")
    found = registered(pool, redirect_uris=uris, launch_uri="https://app.example/launch")
    assert (found.secret_hash, found.redirect_uris, found.launch_uri) == (None, uris, "https://app.example/launch")
    assert found.grants == ("authorization_code", "refresh_token")


def test_secret_is_stored_as_a_hash(pool: Pool) -> None:
    """A confidential client's secret is answered once and kept as a hash only."""
    new = NewClient("Server", "", auth="client_secret_basic")
    id_, secret = transaction(pool, lambda: create_client(new))
    found = transaction(pool, lambda: find_client(id_))
    assert secret is not None
    assert found is not None
    assert (found.secret_hash, found.grants) == (digest(secret), ())


def test_backend_client(pool: Pool) -> None:
    """A client with keys and no redirect URI acts in its own name."""
    keys = key_set(RSAKey.generate_key(2048), ECKey.generate_key("P-384"))
    found = registered(pool, scope="system/*.rs", auth="private_key_jwt", jwks=keys)
    assert (found.grants, found.jwks) == (("client_credentials",), keys)


@pytest.mark.parametrize("id_", ["", "nobody", "a\0b"])
def test_unknown_client(pool: Pool, id_: str) -> None:
    """An unknown client_id is answered with None, whatever its characters."""
    assert transaction(pool, lambda: find_client(id_)) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "Bank\u202e ppa"}, "name"),
        ({"name": "A\u200bpp"}, "name"),
        ({"auth": "magic"}, "authentication"),
        ({"scope": "x"}, "SMART scope"),
        ({"scope": "patient/Nothing.rs"}, "no FHIR R4 resource type"),
        ({"scope": "system/*.rs"}, "private_key_jwt"),
        ({"grants": ("password",)}, "a grant is one of"),
        ({"grants": ("client_credentials",)}, "client_credentials"),
        ({"redirect_uris": ()}, "redirect URI"),
        ({"redirect_uris": (), "grants": ("authorization_code",)}, "redirect URI"),
        ({"auth": "private_key_jwt"}, "keys"),
        ({"auth": "private_key_jwt", "jwks": "{}"}, "key set"),
        ({"auth": "private_key_jwt", "jwks": "no"}, "no JSON"),
        ({"auth": "private_key_jwt", "jwks": '{"keys": []}'}, "has no RSA"),
        ({"auth": "private_key_jwt", "jwks": '{"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]}'}, "key"),
        ({"auth": "private_key_jwt", "jwks": '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'}, "private key"),
        ({"auth": "private_key_jwt", "jwks_uri": "http://keys.example/jwks"}, "https"),
        ({"jwks_uri": "https://keys.example/jwks"}, "keys are for"),
        ({"launch_uri": "javascript:alert(1)"}, "launch"),
    ],
)
def test_what_no_app_may_be(pool: Pool, values: dict[str, Any], reason: str) -> None:
    """A registration that makes no sense is refused by name, and nothing is kept of it."""
    new = NewClient(**{"name": "App", "scope": "patient/*.rs", "redirect_uris": (CALLBACK,)} | values)
    with pytest.raises(HealixError, match=reason):
        transaction(pool, lambda: create_client(new, types=("Patient",)))
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM client").fetchone() == (0,)


@pytest.mark.spec("RFC 9700 2.1")
@pytest.mark.parametrize(
    "uri",
    [
        "", "/callback", "http://app.example/cb", "https://app.example/cb#x", "https://*.example/cb", "https://",
        "javascript:alert(1)", "data:text/html,x", "https://app.example@evil.example/", "https://app.example\\@evil/",
        "https://app.example/c b", "ftp://app.example/", "http://127.0.0.1.evil.example/", "myapp:/cb",
        "https://app.example:port/", "https://app.example/\u200b", "https://[x/",
    ],
)  # fmt: skip
def test_addresses_that_no_code_goes_to(pool: Pool, uri: str) -> None:
    """Only TLS, the app's own computer and an app's own scheme take codes; fragments and wildcards are refused."""
    with pytest.raises(HealixError, match="no redirect URI"):
        registered(pool, redirect_uris=(uri,))


def test_private_and_weak_keys_are_refused(pool: Pool) -> None:
    """A set with a private part in it is refused, whatever else it holds; short RSA keys and other curves are none."""
    key = ECKey.generate_key("P-384")
    short = json.dumps({"keys": [{"kty": "RSA", "n": "A" * 171, "e": "AQAB"}]})
    off_curve = json.dumps({"keys": [key.as_dict(private=False) | {"x": "A" * 64}]})
    for keys in (key_set(key, private=True), short, off_curve, key_set(ECKey.generate_key("P-256"))):
        with pytest.raises(HealixError, match="key"):
            registered(pool, auth="private_key_jwt", jwks=keys)


def test_registration_is_audited(pool: Pool) -> None:
    """A new client leaves a row in the audit trail."""
    found = registered(pool, redirect_uris=(CALLBACK,))
    with pool.connection() as connection:
        rows = connection.execute("SELECT action, subtype, client, query FROM audit_event").fetchall()
    assert rows == [("C", "client", found.id, "patient/*.rs")]
