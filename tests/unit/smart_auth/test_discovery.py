"""Discovery claims what runs, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from smart_auth.discovery import (
    AUTHORIZE,
    CLINICAL,
    END_SESSION,
    ENDPOINTS,
    JWKS,
    STUDIES,
    TOKEN,
    oauth_uris,
    openid_configuration,
    smart_configuration,
)
from smart_auth.oauth.pairing import GRANT as PAIRING
from smart_auth.scope import parse

ROOT = "https://healix.test"
ALL = frozenset(ENDPOINTS.values())


def addresses(document: dict[str, Any]) -> dict[str, str]:
    """The members that name an address."""
    return {name: value for name, value in document.items() if name.endswith(("_endpoint", "_uri"))}


@pytest.mark.spec("smart-app-launch/STU2.2/conformance.html#metadata")
def test_smart_configuration() -> None:
    """A whole server names its issuer, every endpoint, its grants, and PKCE with S256 only."""
    document = smart_configuration(ROOT, ALL)
    assert addresses(document) == {name: ROOT + path for name, path in ENDPOINTS.items()}
    assert (document["issuer"], document["code_challenge_methods_supported"]) == (ROOT, ["S256"])
    assert document["grant_types_supported"] == [
        "authorization_code",
        "refresh_token",
        "client_credentials",
        PAIRING,
    ]
    assert document["token_endpoint_auth_methods_supported"] == [
        "none", "client_secret_basic", "client_secret_post", "private_key_jwt",
    ]  # fmt: skip
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert document["authorization_response_iss_parameter_supported"] is True
    wanted = {"launch-ehr", "launch-standalone", "authorize-post", "client-public", "sso-openid-connect"}
    assert wanted <= set(document["capabilities"])


@pytest.mark.spec("SMART Imaging Access 0.1.0 specification.html#discovery")
def test_imaging_access() -> None:
    """Imaging access is claimed where images are served, for apps and services where those get tokens."""
    prefix = "http://fhir.org/argonaut/smart-imaging/capabilities/"
    document = smart_configuration(ROOT, {*ALL, STUDIES})
    wanted = ["smart-imaging-access", f"{prefix}app-launch", f"{prefix}backend-services"]
    assert set(wanted) <= set(document["capabilities"])
    assert document["associated_endpoints"] == [{"url": f"{ROOT}/fhir", "capabilities": wanted}]
    assert "associated_endpoints" not in smart_configuration(ROOT, ALL)
    assert f"{prefix}app-launch" not in smart_configuration(ROOT, {STUDIES, TOKEN})["capabilities"]


@pytest.mark.spec("OpenID Connect Discovery 1.0 3")
def test_openid_configuration() -> None:
    """The provider's document has every member that is required, and the issuer it is found under."""
    document = openid_configuration(ROOT, ALL)
    required = {
        "issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported",
        "subject_types_supported", "id_token_signing_alg_values_supported",
    }  # fmt: skip
    assert required <= document.keys()
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    assert "openid" in document["scopes_supported"]
    assert document["response_modes_supported"] == ["query", "form_post"]


@pytest.mark.spec("OpenID Connect RP-Initiated Logout 1.0 2.1")
def test_signing_out_is_claimed_where_it_is() -> None:
    """The address for apps whose person signs out is named when it is there."""
    assert openid_configuration(ROOT, {*ALL, END_SESSION})["end_session_endpoint"] == ROOT + END_SESSION
    assert "end_session_endpoint" not in openid_configuration(ROOT, ALL)


@pytest.mark.parametrize("missing", sorted(ALL))
def test_no_endpoint_is_claimed_that_is_not_there(missing: str) -> None:
    """Without its route an endpoint is not named, nor what it alone can do."""
    document = smart_configuration(ROOT, ALL - {missing})
    assert ROOT + missing not in addresses(document).values()
    if missing == AUTHORIZE:
        assert document["grant_types_supported"] == ["client_credentials", PAIRING]
        assert document["code_challenge_methods_supported"] == []
    if missing in (AUTHORIZE, TOKEN):
        assert not [name for name in document["capabilities"] if name.startswith(("launch", "sso", "context"))]


def test_server_without_an_authorization_server() -> None:
    """With no route at all, no address, no grant and no way to prove a client are claimed."""
    document = smart_configuration(ROOT, ())
    assert addresses(document) == {}
    assert document["grant_types_supported"] == []
    assert [name for name in document["capabilities"] if not name.startswith("permission")] == []
    assert "token_endpoint_auth_methods_supported" not in document


def test_addresses_in_the_capability_statement() -> None:
    """The extension names what is there; without an authorization endpoint nothing."""
    assert oauth_uris(ROOT, {AUTHORIZE, TOKEN, JWKS}) == {"authorize": ROOT + AUTHORIZE, "token": ROOT + TOKEN}
    assert set(oauth_uris(ROOT, ALL)) == {"authorize", "token", "introspect", "revoke", "register", "manage"}
    assert oauth_uris(ROOT, ALL - {AUTHORIZE}) == {}


def test_scopes_that_are_claimed_are_understood() -> None:
    """Each scope of the document parses."""
    for scope in CLINICAL:
        assert len(parse(scope)) == 1
    assert set(CLINICAL) < set(smart_configuration(ROOT, ALL)["scopes_supported"])
