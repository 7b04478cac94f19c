"""Launches of an app from within Healix: the context that an opaque, short-lived `launch` stands for, for one use.

A launch is bound to the app it was made for and to the account it was made by; to everybody else it is as unknown as
one that was never made.

Spec: SMART App Launch 2.2 app-launch.html#launch-app-ehr-launch
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import msgspec

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import invalid
from smart_auth.oauth.authorize.answer import Refused
from smart_auth.oauth.clients import find_client
from smart_auth.store import CARING, digest, find_account

LIFE = 10 * 60
LONGEST_INTENT = 200
MOST_APPS = 20
MOST_CONTEXT, LONGEST_VALUE = 20, 500
REFERENCE = re.compile(r"(?P<type>[A-Z][A-Za-z]{1,63})/[A-Za-z0-9.-]{1,64}")
CONTEXT = frozenset({"reference", "canonical", "identifier", "type", "role"})
"""Members of an item of fhirContext. Spec: scopes-and-launch-context.html#fhircontext"""
WAYS = ("reference", "canonical", "identifier")
"""Members of which an item has one at least."""
IN_PLACE = frozenset({"Patient", "Encounter"})
"""Types that have members of their own: they stand in fhirContext in another role than that of the launch only."""


class Launched(msgspec.Struct, frozen=True):
    """The context of a launch; ids are logical ids. `need_patient_banner`: the app shows itself whose record it is.

    `fhir_context` are the further resources that it is about.
    """

    patient: str
    encounter: str | None = None
    intent: str | None = None
    need_patient_banner: bool = True
    fhir_context: tuple[dict[str, Any], ...] = ()


class App(msgspec.Struct, frozen=True):
    """An app that can be started from within Healix."""

    id: str
    name: str
    launch_uri: str


def create_launch(client: str, username: str, launched: Launched, *, origin: Origin | None = None) -> Work[str]:
    """A new launch of the app `client` by `username`. Raises Invalid for what does not exist or fit.

    Whether the account may see the patient is decided when the launch is used, by the relationships of then.
    """
    name = yield from _launching(client, username)
    for kind, id_ in (("Patient", launched.patient), ("Encounter", launched.encounter)):
        if id_ is not None and not ids.is_logical_id(id_):
            raise invalid(f"'{id_[:64]}' is no logical id of a {kind}", code="value")
    if len(launched.intent or "") > LONGEST_INTENT:
        raise invalid(f"an intent has at most {LONGEST_INTENT} characters", code="too-long")
    _check_context(launched.fhir_context)
    launch = ids.secret()
    yield Statement(
        "INSERT INTO launch (hash, client, username, launched, expires)"
        " VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s))",
        (digest(launch), client, name, msgspec.json.encode(launched), LIFE),
    )
    who = origin or Origin(client=client, account=name)
    whose = f"client/{client} for account/{name}"
    yield record([AuditRow(who, "C", "launch", patient=launched.patient, entity=_entity(launched), query=whose)])
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


def _check_context(items: tuple[dict[str, Any], ...]) -> None:
    """Refuse (Invalid) what fhirContext cannot hold. Spec: scopes-and-launch-context.html#fhircontext"""
    if len(items) > MOST_CONTEXT:
        raise invalid(f"fhirContext has at most {MOST_CONTEXT} items")
    for item in items:
        unknown = sorted(item.keys() - CONTEXT)
        if unknown or not item.keys() & set(WAYS):
            raise invalid(f"an item of fhirContext has {', '.join(WAYS)}, at least one of them, and type and role")
        if any(not isinstance(item[name], str) for name in item if name != "identifier"):
            raise invalid("an item of fhirContext has texts as its members, but for identifier", code="structure")
        if not isinstance(item.get("identifier", {}), dict) or len(msgspec.json.encode(item)) > LONGEST_VALUE:
            raise invalid(f"an item of fhirContext is no identifier, or has more than {LONGEST_VALUE} bytes")
        _check_item(item)


def _check_item(item: dict[str, Any]) -> None:
    named = REFERENCE.fullmatch(item["reference"]) if "reference" in item else None
    if "reference" in item and named is None:
        raise invalid(f"'{item['reference'][:80]}' is no relative reference as ImagingStudy/ID", code="value")
    kinds = {named["type"] if named is not None else None, item.get("type")} - {None}
    if len(kinds) > 1:
        raise invalid("the type of an item of fhirContext is that of its reference", code="value")
    role = item.get("role", "launch")
    if role != "launch" and ":" not in role:
        raise invalid("a role in fhirContext is launch or an absolute URI", code="value")
    if role == "launch" and kinds & IN_PLACE:
        raise invalid("a Patient or Encounter stands in fhirContext in another role than launch only", code="value")


def _launching(client: str, username: str) -> Work[str]:
    if (yield from find_client(client)) is None:
        raise invalid(f"there is no client '{client[:64]}'", code="not-found")
    found = yield from find_account(username)
    if found is None:
        raise invalid(f"there is no account '{username[:64]}'", code="not-found")
    account = found[0]
    if account.role not in CARING:
        raise invalid("administrators launch no apps: they do not read charts", code="value")
    return account.username


def _entity(launched: Launched) -> str | None:
    return f"Encounter/{launched.encounter}" if launched.encounter else None
