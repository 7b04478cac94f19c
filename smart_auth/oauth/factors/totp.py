"""One-time codes of an authenticator app: 6 digits that change every 30 seconds.

A secret counts once it is confirmed with a code that it made. A code is accepted within a step of its time, and once:
the step of the last code is kept, and one conditional update moves it on.

Spec: RFC 6238 4, 5.2, 6; RFC 4226 5.3
"""

from __future__ import annotations

import hmac
import re

import pyotp

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.oauth.seal import Seal

STEP = 30
DRIFT = 1
"""Steps that a clock may be early or late."""
CODE = re.compile(r"[0-9]{6}")


def matching_step(secret: str, code: str, now: float) -> int | None:
    """The time step whose code this is, of those within `DRIFT`; each is compared, whichever matches."""
    code = "".join(code.split())
    if CODE.fullmatch(code) is None:
        return None
    made, current = pyotp.TOTP(secret), int(now) // STEP
    steps = range(current - DRIFT, current + DRIFT + 1)
    return max([step for step in steps if hmac.compare_digest(made.generate_otp(step), code)], default=None)


def address(secret: str, username: str, issuer: str) -> str:
    """What the app reads from the picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=issuer)


def propose(seal: Seal, username: str) -> Work[None]:
    """Make a secret that waits for its confirmation; the one in force stays so."""
    secret = pyotp.random_base32()
    yield Statement(
        """INSERT INTO totp (username, proposed) VALUES (%s, %s)
           ON CONFLICT (username) DO UPDATE SET proposed = excluded.proposed""",
        (username, seal.close(secret.encode(), _label(username))),
    )


def proposed(seal: Seal, username: str) -> Work[str | None]:
    """The secret that waits for its confirmation."""
    rows = yield Statement("SELECT proposed FROM totp WHERE username = %s AND proposed IS NOT NULL", (username,))
    return _opened(seal, username, rows[0][0]) if rows else None


def confirm(seal: Seal, username: str, code: str, now: float) -> Work[bool]:
    """Put the proposed secret in force instead of an earlier one; False when `code` is not one of its codes."""
    rows = yield Statement("SELECT proposed FROM totp WHERE username = %s AND proposed IS NOT NULL", (username,))
    step = matching_step(_opened(seal, username, rows[0][0]), code, now) if rows else None
    if step is None:
        return False
    done = yield Statement(
        """UPDATE totp SET sealed = proposed, proposed = NULL, step = %s, confirmed = now()
           WHERE username = %s AND proposed = %s RETURNING 1""",
        (step, username, rows[0][0]),
    )
    return bool(done)


def accept(seal: Seal, username: str, code: str, now: float) -> Work[bool]:
    """Use up a code; False when it is not right, or no newer than the last one."""
    rows = yield Statement("SELECT sealed FROM totp WHERE username = %s AND sealed IS NOT NULL", (username,))
    step = matching_step(_opened(seal, username, rows[0][0]), code, now) if rows else None
    if step is None:
        return False
    moved = yield Statement(
        "UPDATE totp SET step = %s WHERE username = %s AND sealed = %s AND step < %s RETURNING 1",
        (step, username, rows[0][0], step),
    )
    return bool(moved)


def remove(username: str) -> Work[bool]:
    """Forget the secret; False when there was none in force."""
    rows = yield Statement("DELETE FROM totp WHERE username = %s RETURNING sealed IS NOT NULL", (username,))
    return any(row[0] for row in rows)


def _opened(seal: Seal, username: str, sealed: bytes) -> str:
    secret = seal.open(bytes(sealed), _label(username))
    if secret is None:
        raise HealixError(
            Category.UNAVAILABLE,
            "Codes of authenticator apps cannot be checked at this moment. Use another way to sign in.",
            detail="a TOTP secret was sealed with another keys.secret than that of this node's data directory",
        )
    return secret.decode()


def _label(username: str) -> str:
    return f"totp:{username}"
