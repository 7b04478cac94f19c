"""What an account has to show beside its password, and taking all of it away.

Spec: NIST SP 800-63B 6.1.2
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.account.endings import end_sessions
from smart_auth.account.home import Home
from smart_auth.oauth.factors.notices import tell
from smart_auth.oauth.factors.passkeys import Passkey, passkeys
from smart_auth.oauth.factors.recovery import Codes

WORD = "factor"
"""Under this word changes of factors stand in the audit trail."""

NOBODY: frozenset[str] = frozenset()
STAFF = frozenset({"practitioner", "admin"})
REQUIRED_OF = {"none": NOBODY, "staff": STAFF, "all": STAFF | {"patient"}}
"""The values of HEALIX_REQUIRE_SECOND_FACTOR, and the roles that cannot sign in with a password alone."""


@dataclass(frozen=True, slots=True)
class Held:
    """`app` is when an authenticator app was set up."""

    app: datetime | None
    passkeys: tuple[Passkey, ...]
    codes: Codes

    @property
    def any(self) -> bool:
        """Whether there is a second factor. Recovery codes alone are none."""
        return self.app is not None or bool(self.passkeys)


def held(username: str) -> Work[Held]:
    """The factors of an account."""
    rows = yield Statement(
        """SELECT (SELECT confirmed FROM totp WHERE username = %s AND sealed IS NOT NULL),
                  count(*) FILTER (WHERE used IS NULL), count(used)
           FROM recovery_code WHERE username = %s""",
        (username, username),
    )
    app, left, used = rows[0]
    return Held(app, (yield from passkeys(username)), Codes(left, used))


def reset(home: Home, username: str, origin: Origin) -> Work[bool]:
    """Take every factor of an account away and sign it out everywhere; False when there is no such account.

    For a person who has lost them all and whom the administrator knows: the password alone opens the account then, or
    the way to set a factor up anew where one is required.
    """
    username = username.strip().lower()
    rows = yield Statement("SELECT 1 FROM account WHERE username = %s FOR UPDATE", (username,))
    if not rows:
        return False
    for table in ("totp", "passkey", "recovery_code"):
        yield Statement(f"DELETE FROM {table} WHERE username = %s", (username,))
    yield from end_sessions(username)
    yield from tell(home, username, "The clinic has taken away your passkeys, app and recovery codes.")
    yield record([AuditRow(origin, "D", WORD, entity=f"account/{username}", query="all, by an administrator")])
    return True
