"""Id tokens: who logged in, told to the app that asked.

An account's `sub` is random and stays with the account: it tells nothing, and nobody can work it out. It is the same
for all apps, since `fhirUser` is.

Spec: OpenID Connect Core 1.0 2, 3.1.3.6, 8, 12.2; RFC 8176;
SMART App Launch 2.2 scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

from __future__ import annotations

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from joserfc import jwt

from healix_fhir.kernel.database import Work
from smart_auth.oauth.factors.methods import acr
from smart_auth.oauth.grant import Grant
from smart_auth.oauth.signing import ALGORITHM, ID_TOKEN_LIFE, SigningKeys


@dataclass(frozen=True, slots=True)
class Holder:
    """Of whom it speaks, by what the account says now."""

    subject: str
    fhir_user: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """The OpenID provider of this server. `issuer` is its root URL, `fhir_base` what `fhirUser` is below."""

    issuer: str
    fhir_base: str
    keys: SigningKeys

    def token(self, grant: Grant, scope: str, holder: Holder, access: str, *, again: bool = False) -> Work[str | None]:
        """The id token that comes with the token `access` of a grant for `scope`; None without `openid`.

        `again`: it is not the grant's first, and does not answer the app's `nonce`.
        """
        words = scope.split()
        if "openid" not in words:
            return None
        key = yield from self.keys.current()
        claims = claims_of(grant, holder.subject, int(time.time()))
        claims |= {"iss": self.issuer, "at_hash": half_hash(access)} | self.who(holder, words)
        if grant.nonce is not None and not again:
            claims["nonce"] = grant.nonce
        return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])

    def who(self, holder: Holder, words: Collection[str]) -> dict[str, str]:
        """The claims that say which FHIR resource the person is, for the scopes that ask for it."""
        if holder.fhir_user is None:
            return {}
        return {name: f"{self.fhir_base}/{holder.fhir_user}" for name in ("fhirUser", "profile") if name in words}


def half_hash(access: str) -> str:
    """The `at_hash` of an access token: the left half of its SHA-256. Spec: OpenID Connect Core 1.0 3.1.3.6"""
    return urlsafe_b64encode(hashlib.sha256(access.encode("ascii")).digest()[:16]).rstrip(b"=").decode()


def claims_of(grant: Grant, subject: str, now: int) -> dict[str, Any]:
    """What an id token says of a login."""
    claims: dict[str, Any] = {
        "sub": subject,
        "aud": grant.client,
        "iat": now,
        "exp": now + ID_TOKEN_LIFE,
        "auth_time": grant.auth_time,
    }
    if grant.methods:
        claims |= {"amr": list(grant.methods), "acr": acr(grant.methods)}
    return claims
