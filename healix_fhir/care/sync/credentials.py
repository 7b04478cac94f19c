"""How this site proves who it is at an upstream: a bearer token of a file, or SMART Backend Services.

The files are read anew each time, so that a token or key that is changed counts at once. Access tokens are kept in
memory until shortly before they end, or the upstream takes them no more.

Spec: SMART App Launch 2.2 backend-services.html; RFC 7523 2.2
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from healix_fhir.care.sync.line import Answer, AwayError, opened
from healix_fhir.care.sync.upstream import Upstream

SCOPE = "system/*.cruds"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = {"RSA": "RS384", "EC": "ES384"}
LIFE = 120
"""Seconds that an assertion is good for."""
EARLY = 30.0
"""Seconds before its end from which on a token is not used any more."""
LONGEST_FILE = 64 << 10
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class Credentials:
    """The access tokens of one process, by upstream."""

    def __init__(self) -> None:
        self._held: dict[Upstream, tuple[str, float]] = {}

    def authorization(self, upstream: Upstream) -> str | None:
        """The value of Authorization for an upstream; None where it takes none. Raises AwayError."""
        token = self.token(upstream)
        return None if token is None else f"Bearer {token}"

    def token(self, upstream: Upstream) -> str | None:
        """The bearer token for an upstream; None where it takes none. Raises AwayError."""
        if upstream.token_file is not None:
            return _read(upstream.token_file)
        if upstream.client is None:
            return None
        token, until = self._held.get(upstream, ("", 0.0))
        if time.monotonic() >= until:
            token, life = _fetched(upstream)
            self._held[upstream] = token, time.monotonic() + life - EARLY
        return token

    def forget(self, upstream: Upstream) -> None:
        """Ask for a new token the next time."""
        self._held.pop(upstream, None)


def _fetched(upstream: Upstream) -> tuple[str, float]:
    url = upstream.token_url or _discovered(upstream)
    form = {
        "grant_type": "client_credentials",
        "scope": SCOPE,
        "client_assertion_type": ASSERTION,
        "client_assertion": _assertion(upstream, url),
    }
    with opened(url, allow_private=upstream.allow_private, authorization=None) as line:
        answer = line.ask("POST", "", urlencode(form).encode(), FORM)
    found = _json(answer)
    token, life = found.get("access_token"), found.get("expires_in", 300)
    if answer.status != 200 or not isinstance(token, str) or not isinstance(life, int):
        said = found.get("error_description") or found.get("error") or f"status {answer.status}"
        raise AwayError(f"it gives this site no access token: {str(said)[:200]}")
    return token, float(life)


def _discovered(upstream: Upstream) -> str:
    with opened(upstream.fhir or "", allow_private=upstream.allow_private, authorization=None) as line:
        answer = line.ask("GET", "/.well-known/smart-configuration", headers={"Accept": "application/json"})
    url = _json(answer).get("token_endpoint")
    if not isinstance(url, str) or not urlsplit(url).hostname:
        raise AwayError("it does not say where its access tokens are")
    return url


def _assertion(upstream: Upstream, url: str) -> str:
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    kinds: dict[str, type[RSAKey] | type[ECKey]] = {"RSA": RSAKey, "EC": ECKey}
    try:
        plain = msgspec.json.decode(_read(upstream.key_file or ""), type=dict[str, Any])
        kind = str(plain.get("kty"))
        key = kinds[kind].import_key(plain)
        header = {"alg": ALGORITHMS[kind], "typ": "JWT", "kid": str(plain["kid"])}
        now = int(time.time())
        claims = {
            "iss": upstream.client,
            "sub": upstream.client,
            "aud": url,
            "iat": now,
            "exp": now + LIFE,
            "jti": secrets.token_urlsafe(16),
        }
        return jwt.encode(header, claims, key, algorithms=list(ALGORITHMS.values()))
    except (JoseError, KeyError, ValueError, TypeError) as error:
        raise AwayError("the key file holds no private key that is an RSA or P-384 JWK with a kid") from error


def _json(answer: Answer) -> dict[str, Any]:
    try:
        return msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise AwayError("its answer is not JSON") from error


def _read(path: str) -> str:
    try:
        with Path(path).open(encoding="ascii") as file:
            found = file.read(LONGEST_FILE).strip()
    except (OSError, ValueError) as error:
        raise AwayError("the file with this site's token or key cannot be read") from error
    if not found or not all(one.isprintable() or one in "\r\n\t" for one in found):
        raise AwayError("the file with this site's token or key holds none")
    return found
