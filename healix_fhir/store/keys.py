"""Random keys that all nodes of one server share, made on first use."""

from __future__ import annotations

import secrets

from healix_fhir.kernel.database import Statement, Work

SIZE = 32


def server_key(name: str) -> Work[bytes]:
    """The key for the purpose `name`; nodes that ask at once get the same one."""
    rows = yield Statement(
        """INSERT INTO server_key (name, key) VALUES (%s, %s)
           ON CONFLICT (name) DO UPDATE SET key = server_key.key RETURNING key""",
        (name, secrets.token_bytes(SIZE)),
    )
    return bytes(rows[0][0])
