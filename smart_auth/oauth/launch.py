"""Launches of an app from within Healix: the context that an opaque, short-lived `launch` stands for, for one use.

A launch is bound to the app it was made for and to the account it was made by; to everybody else it is as unknown as
one that was never made.

Spec: SMART App Launch 2.2 app-launch.html#launch-app-ehr-launch
"""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import invalid
from smart_auth.oauth.authorize.answer import Refused
from smart_auth.oauth.clients import find_client
from smart_auth.store import Account, digest, find_account

LIFE = 10 * 60
LONGEST_INTENT = 200
MOST_APPS = 20


class Launched(msgspec.Struct, frozen=True):
    """The context of a launch; ids are logical ids. `need_patient_banner`: the app shows itself whose record it is."""

    patient: str
    encounter: str | None = None
    intent: str | None = None
    need_patient_banner: bool = True


class App(msgspec.Struct, frozen=True):
    """An app that can be started from within Healix."""

    id: str
    name: str
    launch_uri: str


def create_launch(client: str, username: str, launched: Launched, *, origin: Origin | None = None) -> Work[str]:
    """A new launch of the app `client` by `username`. Raises Invalid for what does not exist or fit.

    Whether the account may see the patient is decided when the launch is used, by the relationships of then.
    """
    account = yield from _launching(client, username)
    for kind, id_ in (("Patient", launched.patient), ("Encounter", launched.encounter)):
        if id_ is not None and not ids.is_logical_id(id_):
            raise invalid(f"'{id_[:64]}' is no logical id of a {kind}", code="value")
    if account.patient not in (None, launched.patient):
        raise invalid("a patient's account opens that patient's record only", code="value")
    if len(launched.intent or "") > LONGEST_INTENT:
        raise invalid(f"an intent has at most {LONGEST_INTENT} characters", code="too-long")
    launch = ids.secret()
    yield Statement(
        "INSERT INTO launch (hash, client, username, launched, expires)"
        " VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s))",
        (digest(launch), client, account.username, msgspec.json.encode(launched), LIFE),
    )
    who = origin or Origin(client=client, account=account.username)
    yield record([AuditRow(who, "C", "launch", patient=launched.patient, entity=_entity(launched))])
    return launch


def take_launch(launch: str, client: str, username: str) -> Work[Launched]:
    """Use up a launch. Raises Refused unless it lives, and is this app's and this account's."""
    rows = yield Statement(
        "DELETE FROM launch WHERE hash = %s AND client = %s AND username = %s AND expires > now() RETURNING launched",
        (digest(launch), client, username),
    )
    if not rows:
        raise Refused("invalid_request", "the launch is unknown, used, too old, or another account's or app's")
    return msgspec.json.decode(rows[0][0], type=Launched)


def launchable() -> Work[list[App]]:
    """The apps that can be started from within Healix, by name."""
    rows = yield Statement(
        """SELECT id, name, launch_uri FROM client WHERE launch_uri IS NOT NULL AND NOT disabled
           ORDER BY name, id LIMIT %s""",
        (MOST_APPS,),
    )
    return [App(*row) for row in rows]


def address(launch_uri: str, fhir_base: str, launch: str) -> str:
    """Where a browser starts an app."""
    return launch_uri + ("&" if "?" in launch_uri else "?") + urlencode({"iss": fhir_base, "launch": launch})


def _launching(client: str, username: str) -> Work[Account]:
    if (yield from find_client(client)) is None:
        raise invalid(f"there is no client '{client[:64]}'", code="not-found")
    found = yield from find_account(username)
    if found is None:
        raise invalid(f"there is no account '{username[:64]}'", code="not-found")
    account = found[0]
    if account.patient is None and account.practitioner is None:
        raise invalid("administrators launch no apps: they do not read charts", code="value")
    return account


def _entity(launched: Launched) -> str | None:
    return f"Encounter/{launched.encounter}" if launched.encounter else None
