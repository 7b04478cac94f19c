"""The hint about who is meant: an id token that the app got earlier.

Spec: OpenID Connect Core 1.0 3.1.2.1 (id_token_hint)
"""

from __future__ import annotations

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from joserfc.jws import extract_compact

from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.authorize.answer import Refused
from smart_auth.oauth.signing import ALGORITHM

LONGEST = 8 * 1024


def hinted(token: str, client: str, issuer: str) -> Work[str]:
    """The `sub` of an id token that this server gave to `client`; it may have expired. Raises Refused for any other."""
    audience, subject = yield from claimed(token, issuer)
    if audience != client:
        raise _refused()
    return subject


def claimed(token: str, issuer: str) -> Work[tuple[str, str]]:
    """To which app, and about whom, this server gave an id token. Raises Refused for any other."""
    refused = _refused()
    if len(token) > LONGEST:
        raise refused
    try:
        kid = str(extract_compact(token.encode("ascii", "replace")).headers().get("kid"))
    except (JoseError, ValueError, TypeError) as error:
        raise refused from error
    rows = yield Statement("SELECT public FROM signing_key WHERE kid = %s", (kid.replace("\0", "\ufffd"),))
    if not rows:
        raise refused
    try:
        key = RSAKey.import_key(msgspec.json.decode(rows[0][0]))
        claims = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError, TypeError) as error:
        raise refused from error
    if claims.get("iss") != issuer:
        raise refused
    return str(claims["aud"]), str(claims["sub"])


def _refused() -> Refused:
    return Refused("invalid_request", "id_token_hint is no id token that this app got from here")
