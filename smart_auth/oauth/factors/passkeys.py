"""The passkeys of accounts, and the challenges that they answer.

A challenge belongs to one browser: to its session, its waiting login or its login form. It is good once, also when the
answer is wrong. The counter of a passkey moves on with one conditional update; a copy of it shows by a counter that
does not.

Spec: WebAuthn Level 2, w3.org/TR/webauthn-2/#sctn-verifying-assertion (steps 17 to 22)
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import invalid
from smart_auth.oauth.factors.methods import HARDWARE_KEY, SOFTWARE_KEY
from smart_auth.oauth.factors.party import PATIENCE, NewPasskey, RelyingParty, Signed
from smart_auth.oauth.factors.refusal import not_proved
from smart_auth.store import digest

MOST = 20
"""Passkeys of one account."""
LONGEST_NAME = 60
NAMELESS = "Passkey"
UNKNOWN = "an unknown passkey"


@dataclass(frozen=True, slots=True)
class Passkey:
    """One in an account's list."""

    id: bytes
    name: str
    synced: bool
    created: datetime
    used: datetime | None

    @property
    def key(self) -> str:
        """Its id in letters, for forms."""
        return urlsafe_b64encode(self.id).decode()


@dataclass(frozen=True, slots=True)
class Challenge:
    """What has to be signed; `handle` is how authenticators shall name the account of a new passkey."""

    value: bytes
    handle: bytes | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A passkey that has signed: whose it is, and the method that it proves."""

    username: str
    method: str


def passkeys(username: str) -> Work[tuple[Passkey, ...]]:
    """The passkeys of an account, the oldest first."""
    rows = yield Statement(
        "SELECT id, name, synced, created, used FROM passkey WHERE username = %s ORDER BY created, id", (username,)
    )
    return tuple(Passkey(bytes(row[0]), *row[1:]) for row in rows)


def challenge(holder: str, handle: bytes | None = None) -> Work[bytes]:
    """A new challenge for the browser that has the secret `holder`, instead of an earlier one."""
    value = os.urandom(32)
    yield Statement(
        """INSERT INTO passkey_challenge (holder, value, handle) VALUES (%s, %s, %s)
           ON CONFLICT (holder) DO UPDATE SET value = excluded.value, handle = excluded.handle, created = now()""",
        (digest(holder), value, handle),
    )
    return value


def take_challenge(holder: str) -> Work[Challenge | None]:
    """Use up the challenge of a browser."""
    rows = yield Statement(
        """DELETE FROM passkey_challenge WHERE holder = %s
           RETURNING value, handle, created > now() - make_interval(secs => %s)""",
        (digest(holder), PATIENCE),
    )
    return Challenge(bytes(rows[0][0]), rows[0][1]) if rows and rows[0][2] else None


def begin_adding(party: RelyingParty, username: str, holder: str) -> Work[str]:
    """What the browser asks for a new passkey of the account. Raises Invalid when there are too many.

    The account has one random name for all authenticators, so that one of them keeps one passkey of it.
    """
    rows = yield Statement("SELECT id, handle FROM passkey WHERE username = %s", (username,))
    if len(rows) >= MOST:
        raise invalid(f"An account has at most {MOST} passkeys. Remove one first.")
    handle = bytes(rows[0][1]) if rows else os.urandom(64)
    value = yield from challenge(holder, handle)
    return party.creation(username, handle, value, [bytes(row[0]) for row in rows])


def add(username: str, handle: bytes, name: str, made: NewPasskey) -> Work[None]:
    """Keep a new passkey. Raises Invalid for one that is known already."""
    rows = yield Statement(
        """INSERT INTO passkey (id, username, handle, name, public_key, sign_count, synced)
           VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1""",
        (made.id, username, handle, named(name), made.public_key, made.sign_count, made.synced),
    )
    if not rows:
        raise invalid("This passkey is registered already.")


def show(party: RelyingParty, value: bytes, signed: Signed, username: str | None) -> Work[Shown]:
    """Use a passkey of the account `username`, or of whichever account it is. Raises Unauthenticated."""
    rows = yield Statement(
        """SELECT p.username, p.handle, p.public_key, p.synced FROM passkey p JOIN account a USING (username)
           WHERE p.id = %s AND NOT a.disabled""",
        (signed.credential,),
    )
    if not rows:
        raise not_proved(UNKNOWN)
    owner, handle, public_key, synced = rows[0]
    if username not in (None, owner):
        raise not_proved("a passkey of another account")
    if signed.handle != bytes(handle) and not (signed.handle is None and username is not None):
        raise not_proved("a passkey that names another account")
    count = party.count(signed, value, bytes(public_key))
    moved = yield Statement(
        """UPDATE passkey SET sign_count = %s, used = now()
           WHERE id = %s AND username = %s AND (sign_count < %s OR (sign_count = 0 AND %s = 0)) RETURNING 1""",
        (count, signed.credential, owner, count, count),
    )
    if not moved:
        raise not_proved("the passkey's counter went back: there may be a copy of it")
    return Shown(owner, SOFTWARE_KEY if synced else HARDWARE_KEY)


def rename(username: str, id_: bytes, name: str) -> Work[bool]:
    """Give a passkey another name; False when the account has no such one."""
    rows = yield Statement(
        "UPDATE passkey SET name = %s WHERE id = %s AND username = %s RETURNING 1", (named(name), id_, username)
    )
    return bool(rows)


def remove(username: str, id_: bytes) -> Work[str | None]:
    """Forget a passkey; its name, None when the account has no such one."""
    rows = yield Statement("DELETE FROM passkey WHERE id = %s AND username = %s RETURNING name", (id_, username))
    return str(rows[0][0]) if rows else None


def named(text: str) -> str:
    """A name as it is kept."""
    return "".join(one for one in " ".join(text.split()) if one.isprintable())[:LONGEST_NAME] or NAMELESS


def known(found: Sequence[Passkey]) -> list[bytes]:
    """The ids by which a browser finds one of these passkeys."""
    return [one.id for one in found]
