"""The keys that id tokens are signed with: made when first used or read, rotated by command, published while needed.

The private half is sealed with the secret of the data directory. A node that cannot open the newest key makes one of
its own; the published set holds the public halves of all, so that nodes need not share a secret.

Spec: OpenID Connect Core 1.0 10.1.1 (rotation); RFC 7517
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from joserfc.jwk import RSAKey

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.seal import Seal

ALGORITHM = "RS256"
BITS = 2048
ID_TOKEN_LIFE = 3600
"""Seconds. A retired key is published until the last token that it signed has expired."""
LOCK = 0x6B657973


@dataclass(frozen=True)
class SigningKeys:
    """The keys that this process can sign with; those that it has opened stay open."""

    seal: Seal
    _open: dict[str, RSAKey] = field(default_factory=dict)

    def current(self) -> Work[RSAKey]:
        """The newest key that this node can sign with; made when there is none."""
        rows = yield Statement(_CURRENT)
        key = self._first(rows)
        if key is not None:
            return key
        yield Statement("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        rows = yield Statement(_CURRENT)
        return self._first(rows) or (yield from self._make())

    def published(self) -> Work[list[dict[str, Any]]]:
        """The public halves of all keys whose tokens may still be about; never none, for clients keep what they get."""
        rows = yield Statement(_PUBLISHED, (ID_TOKEN_LIFE + 60,))
        if rows:
            return [msgspec.json.decode(public) for (public,) in rows]
        key = yield from self.current()
        return [key.as_dict(private=False)]

    def rotate(self, origin: Origin) -> Work[str]:
        """Retire the present keys and make a new one; its `kid`."""
        yield Statement("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        yield Statement("UPDATE signing_key SET retired = now() WHERE retired IS NULL")
        key = yield from self._make()
        yield record([AuditRow(origin, "U", "signing-key", query=key.kid)])
        return str(key.kid)

    def _first(self, rows: list[tuple[Any, ...]]) -> RSAKey | None:
        for kid, sealed in rows:
            if kid in self._open:
                return self._open[kid]
            private = self.seal.open(bytes(sealed), kid)
            if private is not None:
                self._open[kid] = RSAKey.import_key(msgspec.json.decode(private))
                return self._open[kid]
        return None

    def _make(self) -> Work[RSAKey]:
        key = RSAKey.generate_key(BITS, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
        kid = str(key.kid)
        private = msgspec.json.encode(key.as_dict(private=True))
        yield Statement(
            "INSERT INTO signing_key (kid, public, sealed) VALUES (%s, %s, %s)",
            (kid, msgspec.json.encode(key.as_dict(private=False)).decode(), self.seal.close(private, kid)),
        )
        return key


_CURRENT = "SELECT kid, sealed FROM signing_key WHERE retired IS NULL ORDER BY created DESC, kid"
_PUBLISHED = """SELECT public FROM signing_key
    WHERE retired IS NULL OR retired > now() - make_interval(secs => %s) ORDER BY created DESC, kid"""
