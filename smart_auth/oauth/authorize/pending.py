"""Authorization requests that wait for a person: kept here, so that a browser carries only a name of them.

A request belongs to the account that first went on with it; when another signs in, what the first one chose is
forgotten. It ends with its answer, or after `LIFE`.
"""

from __future__ import annotations

import msgspec

from healix_fhir.kernel import ids
from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.authorize.request import Asked
from smart_auth.oauth.launch import Launched, take_launch
from smart_auth.store import digest

LIFE = 30 * 60


class Pending(msgspec.Struct, frozen=True):
    """A request, and how far it got. `asked_at` is when it came, in seconds since 1970.

    `encounter` is the visit that was chosen, empty where none is meant, None before that.
    """

    id: str
    asked: Asked
    asked_at: float
    username: str | None
    launched: Launched | None
    patient: str | None
    encounter: str | None = None


def begin(asked: Asked) -> Work[str]:
    """Keep a request; the name under which it goes on."""
    id_ = ids.secret()
    yield Statement(
        "INSERT INTO authorization_request (hash, asked) VALUES (%s, %s)", (digest(id_), msgspec.json.encode(asked))
    )
    return id_


def find_pending(id_: str) -> Work[Pending | None]:
    """A request that still waits."""
    rows = yield Statement(
        """SELECT asked, extract(epoch FROM created)::float8, username, launched, patient, encounter
           FROM authorization_request WHERE hash = %s AND created > now() - make_interval(secs => %s)""",
        (digest(id_), LIFE),
    )
    if not rows:
        return None
    asked, asked_at, username, launched, patient, encounter = rows[0]
    return Pending(
        id_,
        msgspec.json.decode(asked, type=Asked),
        asked_at,
        username,
        msgspec.json.decode(launched, type=Launched) if launched is not None else None,
        patient,
        encounter,
    )


def claim(pending: Pending, username: str) -> Work[Pending]:
    """The request as that of `username`; its launch is used up. Raises Refused when that is not theirs."""
    if pending.username == username:
        return pending
    launch = pending.asked.launch
    launched = (yield from take_launch(launch, pending.asked.client, username)) if launch is not None else None
    patient = launched.patient if launched is not None else None
    yield Statement(
        "UPDATE authorization_request SET username = %s, launched = %s, patient = %s, encounter = NULL WHERE hash = %s",
        (username, msgspec.json.encode(launched) if launched is not None else None, patient, digest(pending.id)),
    )
    return msgspec.structs.replace(pending, username=username, launched=launched, patient=patient, encounter=None)


def choose_patient(pending: Pending, patient: str) -> Work[None]:
    """Note the patient that the account has chosen; a visit of another patient is forgotten."""
    yield Statement(
        "UPDATE authorization_request SET patient = %s, encounter = NULL WHERE hash = %s AND username = %s",
        (patient, digest(pending.id), pending.username),
    )


def choose_encounter(pending: Pending, encounter: str) -> Work[None]:
    """Note the visit that the account has chosen; empty for none."""
    yield Statement(
        "UPDATE authorization_request SET encounter = %s WHERE hash = %s AND username = %s",
        (encounter, digest(pending.id), pending.username),
    )


def finish(pending: Pending) -> Work[bool]:
    """End a request with its answer; False when it has been answered already."""
    rows = yield Statement("DELETE FROM authorization_request WHERE hash = %s RETURNING 1", (digest(pending.id),))
    return bool(rows)
