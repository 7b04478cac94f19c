"""Id tokens: who logged in, told to the app that asked.

Spec: OpenID Connect Core 1.0 2; RFC 8176;
SMART App Launch 2.2 scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any

from joserfc import jwt

from healix_fhir.kernel.database import Work
from smart_auth.oauth.factors.methods import acr
from smart_auth.oauth.grant import Grant
from smart_auth.oauth.signing import ALGORITHM, ID_TOKEN_LIFE, SigningKeys


@dataclass(frozen=True, slots=True)
class Identity:
    """The OpenID provider of this server. `issuer` is its root URL, `fhir_base` what `fhirUser` is below."""

    issuer: str
    fhir_base: str
    keys: SigningKeys

    def token(self, grant: Grant, fhir_user: str | None) -> Work[str | None]:
        """The id token of a grant; None when the app did not ask for `openid`."""
        words = grant.scope.split()
        if "openid" not in words:
            return None
        key = yield from self.keys.current()
        claims = claims_of(grant, self.subject(grant.username), int(time.time())) | {"iss": self.issuer}
        if fhir_user is not None:
            url = f"{self.fhir_base}/{fhir_user}"
            claims |= {name: url for name in ("fhirUser", "profile") if name in words}
        return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])

    def subject(self, username: str) -> str:
        """The `sub` of an account: the same for every app, and never another's."""
        return hashlib.sha256(f"{self.issuer}\0{username}".encode()).hexdigest()[:40]


def claims_of(grant: Grant, subject: str, now: int) -> dict[str, Any]:
    """What an id token says of a login, without issuer and FHIR user."""
    claims: dict[str, Any] = {
        "sub": subject,
        "aud": grant.client,
        "iat": now,
        "exp": now + ID_TOKEN_LIFE,
        "auth_time": grant.auth_time,
    }
    if grant.methods:
        claims |= {"amr": list(grant.methods), "acr": acr(grant.methods)}
    return claims if grant.nonce is None else claims | {"nonce": grant.nonce}
