"""What somebody may do once who holds a secret: end a registration, set a new password, confirm a mail address.

The secret reaches its reader by mail and is made when the mail is sent (`renew`), so that nothing but its hash is ever
stored. Using a ticket removes it: of any number of uses at once, one finds it.

Spec: OWASP ASVS 5.0 6.4.1, 6.5 (time-limited, single use); NIST SP 800-63B-4 4.2.1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec

from healix_fhir.kernel import ids
from healix_fhir.kernel.database import Statement, Work
from smart_auth.store import digest


class Purpose(Enum):
    """What a ticket is good for."""

    REGISTRATION = "registration"
    RESET = "reset"
    ADDRESS = "address"
    INVITATION = "invitation"
    CARE = "care"
    PAIRING = "pairing"


class Ticket(msgspec.Struct, frozen=True):
    """A ticket that was used or looked at. `username` is whose account it is about, where there is one."""

    username: str | None
    details: dict[str, Any]


def issue(
    purpose: Purpose, seconds: int, *, username: str | None = None, secret: str | None = None, **details: Any
) -> Work[str]:
    """A ticket good for `seconds`; its id, for a mail. With `secret` it is good at once, for whoever has that."""
    id_ = ids.logical_id()
    yield Statement(
        """INSERT INTO ticket (id, purpose, hash, username, details, expires)
           VALUES (%s, %s, %s, %s, %s, now() + make_interval(secs => %s))""",
        (id_, purpose.value, digest(secret) if secret else None, username, msgspec.json.encode(details), seconds),
    )
    return id_


def renew(tickets: Sequence[str]) -> Work[Mapping[str, str]]:
    """A fresh secret for each ticket that is still good, by id; an earlier secret of it is worthless."""
    secrets = {id_: ids.secret() for id_ in tickets}
    rows = yield Statement(
        """UPDATE ticket t SET hash = x.hash FROM unnest(%s::text[], %s::bytea[]) AS x (id, hash)
           WHERE t.id = x.id AND t.expires > now() RETURNING t.id""",
        (list(secrets), [digest(secret) for secret in secrets.values()]),
    )
    return {id_: secrets[id_] for (id_,) in rows}


def look(purpose: Purpose, secret: str) -> Work[Ticket | None]:
    """The ticket of a secret, left as it is."""
    rows = yield Statement(
        "SELECT username, details FROM ticket WHERE hash = %s AND purpose = %s AND expires > now()",
        (digest(secret), purpose.value),
    )
    return Ticket(rows[0][0], msgspec.json.decode(rows[0][1])) if rows else None


def use(purpose: Purpose, secret: str) -> Work[Ticket | None]:
    """Take the ticket of a secret: it is gone afterwards. None when it is none, is over or was used."""
    rows = yield Statement(
        "DELETE FROM ticket WHERE hash = %s AND purpose = %s AND expires > now() RETURNING username, details",
        (digest(secret), purpose.value),
    )
    return Ticket(rows[0][0], msgspec.json.decode(rows[0][1])) if rows else None


def void(username: str, purposes: Sequence[Purpose]) -> Statement:
    """Make the tickets of an account worthless."""
    return Statement(
        "DELETE FROM ticket WHERE username = %s AND purpose = ANY(%s)", (username, [one.value for one in purposes])
    )


def sweep() -> Statement:
    """Forget tickets that are over."""
    return Statement("DELETE FROM ticket WHERE expires < now()")
