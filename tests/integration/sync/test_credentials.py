"""Who a site is at its upstream: SMART Backend Services with a key of its own, or a token in a file."""

from __future__ import annotations

import json

import psycopg
import pytest
from joserfc.jwk import ECKey, RSAKey

from healix_fhir.care.sync import credentials
from healix_fhir.kernel.database import run
from smart_auth.oauth.clients import NewClient, create_client
from tests.integration.sync.conftest import Central, Site, patient
from tests.support.oauth import key_pair, public


def registered(central: Central, key: RSAKey | ECKey) -> str:
    """The client_id of a site whose public key the central server knows."""
    new = NewClient("Site", "system/*.cruds", auth="private_key_jwt", jwks=public(key))
    with psycopg.connect(central.database_url) as connection:
        return run(connection, create_client(new))[0]


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_a_site_with_a_key(central: Central, site: Site, alg: str) -> None:
    """It gets its tokens where the FHIR base says, and a new one when the upstream takes the old one no more."""
    key, name = key_pair(alg), f"r-{alg}"
    file = site.token_file.parent / "key.json"
    file.write_text(json.dumps(key.as_dict(private=True)))
    site.connect("", client=registered(central, key), key_file=str(file))
    site.write(patient(name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(credentials, "_fetched", lambda _: ("ended", 300.0))
        site.events()
        site.turn()
    assert "credentials" in str(site.standing().reason)
    site.sync()
    assert len(central.versions(f"Patient/{name}")) == 1
    rows = site.sql(
        "SELECT count(*)::int FROM sync_upstream u WHERE u::text LIKE %s", f"%{key.as_dict(private=True)['d']}%"
    )
    assert rows == [(0,)]


@pytest.mark.parametrize(
    ("written", "said"),
    [("{}", "no private key"), ("", "holds none"), ('{"kty": "EC"}', "no private key"), (None, "cannot be read")],
)
def test_a_key_that_is_none(site: Site, written: str | None, said: str) -> None:
    """It is told in words that say nothing of the file, and nobody is called."""
    file = site.token_file.parent / "key.json"
    file.write_text("{}")
    site.connect("", client="c", key_file=str(file), token_url=f"{site.proxy.url}/oauth/token")
    if written is None:
        file.unlink()
    else:
        file.write_text(written)
    site.write(patient("r-3"))
    site.events()
    site.turn()
    assert said in str(site.standing().reason)
    assert str(file) not in str(site.standing().reason)
    assert site.proxy.connections == 0


def test_an_unknown_key_and_a_renewed_token(central: Central, site: Site) -> None:
    """Why no token is given is told; a token file counts as it is at each call."""
    file = site.token_file.parent / "key.json"
    file.write_text(json.dumps(key_pair().as_dict(private=True)))
    site.connect("", client=registered(central, key_pair()), key_file=str(file))
    site.write(patient("r-4"))
    site.events()
    site.turn()
    assert str(site.standing().reason).startswith(
        ("it gives this site no access token", "it does not take this site's")
    )
    site.connect("wrong")
    site.turn()
    assert "credentials" in str(site.standing().reason)
    site.token_file.write_text(f"{central.token}\n")
    site.sync()
    assert len(central.versions("Patient/r-4")) == 1
