"""Tokens of CDS clients: a system that asks for advice proves with its private key who it is.

The key set of each client comes from the administrator; what the token's `jku` says is not looked at.

Spec: CDS Hooks 2.0, cds-hooks.hl7.org/2.0/#trusting-cds-clients; RFC 7519
"""

from __future__ import annotations

from collections.abc import Mapping

from joserfc.jwk import KeySet

from smart_auth.oauth.assertion import key_id, once, proven, unproven
from smart_auth.oauth.refusal import OAuthError, Reason

ALGORITHMS: Mapping[str, str] = {"RS256": "RSA", "RS384": "RSA", "ES384": "EC"}
"""Those that the specification recommends, and that of this server's own tokens."""


def issuer_of(token: str) -> str:
    """The issuer that a token claims to be of, still unproven."""
    issuer = unproven(token).get("iss")
    if not isinstance(issuer, str):
        raise OAuthError(Reason.INVALID_CLIENT, "the token has no iss")
    return issuer


def key_of(token: str) -> str:
    """The `kid` of the key that it is signed with."""
    return key_id(token)


def verified(token: str, keys: KeySet, issuer: str, audience: str) -> tuple[str, int]:
    """The `jti` and `exp` of a token of `issuer` for one endpoint. Raises OAuthError (invalid_client)."""
    claims = proven(token, keys, ALGORITHMS)
    if claims.get("iss") != issuer:
        raise OAuthError(Reason.INVALID_CLIENT, "the token is not of its issuer")
    if claims.get("aud") not in (audience, [audience]):
        raise OAuthError(Reason.INVALID_CLIENT, "the token's aud must be the address of the service")
    return once(claims)
