"""What people have granted to apps, so that they are not asked the same twice.

A decision is remembered for one account, one app and one set of offered scopes. It answers a later request of the same
set, unless nothing shows that it comes from the app itself: an app that cannot keep a secret and is returned to by a
private scheme or on the person's own machine may be another one there, which RFC 8252 8.6 does not let pass unasked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.clients import Client


def remembered(username: str, client: Client, redirect_uri: str, words: Collection[str]) -> Work[str | None]:
    """The scopes granted when just these `words` were offered before; None when the person has to be asked."""
    if client.auth == "none" and not redirect_uri.startswith("https://"):
        return None
    rows = yield Statement(
        "SELECT granted FROM consent WHERE username = %s AND client = %s AND offered = %s",
        (username, client.id, _name(words)),
    )
    return str(rows[0][0]) if rows else None


def remember(username: str, client: str, words: Collection[str], granted: str) -> Statement:
    """Keep a decision, instead of an earlier one about the same words."""
    return Statement(
        """INSERT INTO consent (username, client, offered, granted) VALUES (%s, %s, %s, %s)
           ON CONFLICT (username, client, offered) DO UPDATE SET granted = excluded.granted, given = now()""",
        (username, client, _name(words), granted),
    )


def _name(words: Collection[str]) -> bytes:
    return hashlib.sha256(" ".join(sorted(words)).encode()).digest()
