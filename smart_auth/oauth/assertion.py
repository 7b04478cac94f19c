"""Client assertions: a client proves with its private key who it is.

Spec: RFC 7523 3; SMART App Launch 2.2 client-confidential-asymmetric.html#authenticating-to-the-token-endpoint
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet
from joserfc.jws import JWSRegistry, extract_compact

from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.store import digest

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS: Mapping[str, str] = {"RS384": "RSA", "ES384": "EC"}
"""The signatures that SMART asks for, and the kind of key of each."""

LONGEST_LIFE = 300
"""Seconds between now and `exp`."""
SKEW = 5
"""Seconds that the client's clock may be ahead."""
LONGEST = 16 * 1024
LONGEST_JTI = 255
INSTANT = range(1, 1 << 40)
COMPACT = re.compile(r"[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+")


def subject(assertion: str) -> str:
    """The client_id that an assertion claims to speak for, still unproven."""
    claims = _decoded(assertion)[1]
    claimed = claims.get("sub")
    if not isinstance(claimed, str) or claims.get("iss") != claimed:
        raise _refused("its iss and sub must both be the client_id")
    return claimed


def key_id(assertion: str) -> str:
    """The `kid` of the key that an assertion is signed with."""
    header = _decoded(assertion)[0]
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise _refused("its header must name the key (kid)")
    return kid


def verified(assertion: str, keys: KeySet, client_id: str, audiences: Collection[str]) -> tuple[str, int]:
    """The `jti` and `exp` of an assertion of `client_id`, signed with one of `keys`, for one of `audiences`.

    The header's `jku` is not looked at: keys come from the registration only. Raises OAuthError (invalid_client).
    """
    claims = proven(assertion, keys, ALGORITHMS)
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise _refused("its iss and sub must both be the client_id")
    _check_audience(claims.get("aud"), audiences)
    return once(claims)


def proven(assertion: str, keys: KeySet, algorithms: Mapping[str, str]) -> dict[str, Any]:
    """The claims of what one of `keys` has signed in one of `algorithms`, each with the kind of its key."""
    header, _ = _decoded(assertion)
    if header.get("alg") not in algorithms:
        raise _refused(f"it must be signed with {' or '.join(algorithms)}")
    if header.get("typ", "JWT") != "JWT":
        raise _refused("its type must be JWT")
    key = _key(keys, key_id(assertion), algorithms[header["alg"]])
    registry = JWSRegistry(algorithms=list(algorithms), strict_check_header=False)  # RFC 7515 4: others mean nothing
    try:
        return dict(jwt.decode(assertion, key, registry=registry).claims)
    except (JoseError, ValueError, TypeError) as error:
        raise _refused("its signature is not right") from error


def unproven(assertion: str) -> dict[str, Any]:
    """The claims of an assertion that nobody has looked at yet."""
    return _decoded(assertion)[1]


def once(claims: Mapping[str, Any]) -> tuple[str, int]:
    """The `jti` and `exp` of claims that are good now; for `spend`."""
    return _check_jti(claims.get("jti")), _check_times(claims)


def spend(client_id: str, jti: str, exp: int) -> Work[None]:
    """Remember an assertion until it expires. Raises OAuthError when it was used before."""
    rows = yield Statement(
        """INSERT INTO used_assertion AS u (client, jti, expires) VALUES (%s, %s, to_timestamp(%s))
           ON CONFLICT (client, jti) DO UPDATE SET expires = excluded.expires WHERE u.expires < now()
           RETURNING true""",
        (client_id, digest(jti), exp + SKEW),
    )
    if not rows:
        raise _refused("it was used before (jti)")


def _decoded(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(assertion) > LONGEST or not COMPACT.fullmatch(assertion):
        raise _refused("it is no signed JSON Web Token")
    try:
        parts = extract_compact(assertion.encode("ascii"))
        header, claims = parts.headers(), msgspec.json.decode(parts.payload)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise _refused("it is no signed JSON Web Token") from error
    if not isinstance(claims, dict):
        raise _refused("it is no signed JSON Web Token")
    return header, claims


def _key(keys: KeySet, kid: str, kind: str) -> Key:
    for key in keys.keys:
        if key.kid == kid and key.key_type == kind:
            return key
    raise _refused("the client has no such key (kid)")


def _check_audience(aud: object, audiences: Collection[str]) -> None:
    named = aud[0] if isinstance(aud, list) and len(aud) == 1 else aud
    if not isinstance(named, str) or named not in audiences:
        raise _refused("its aud must be the token endpoint or the issuer, and nothing else")


def _check_jti(jti: object) -> str:
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        raise _refused(f"it must have a jti of 1 to {LONGEST_JTI} characters")
    return jti


def _check_times(claims: Mapping[str, Any]) -> int:
    now = time.time()
    exp, iat, nbf = (_seconds(claims, name) for name in ("exp", "iat", "nbf"))
    if exp is None:
        raise _refused("it must have an exp")
    if exp <= now:
        raise _refused("it has expired")
    if exp > now + LONGEST_LIFE + SKEW:
        raise _refused(f"its exp must be within {LONGEST_LIFE} seconds")
    if any(start is not None and start > now + SKEW for start in (iat, nbf)):
        raise _refused("it is not valid yet")
    return exp


def _seconds(claims: Mapping[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not INSTANT.start <= value < INSTANT.stop:
        raise _refused(f"its {name} must be a time in seconds")
    return int(value)


def _refused(why: str) -> OAuthError:
    return OAuthError(Reason.INVALID_CLIENT, f"the client assertion is not accepted: {why}")
