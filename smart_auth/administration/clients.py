"""Registered apps in the hands of an administrator: looking them up, changing, closing and removing them.

A closed app is unknown to every endpoint. What it had ends with it: grants, tokens, remembered consents and launches;
when it is opened again, people are asked anew.

Spec: RFC 7591 2; OWASP ASVS 5.0 10.4
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError, invalid, not_found
from smart_auth.administration.page import PAGE, Listed, listed
from smart_auth.oauth.apps import OPENS
from smart_auth.oauth.clients import COLUMNS, Client, NewClient, checked, client_of
from smart_auth.queries import CLOSED, Conditions
from smart_auth.research import check_scope
from smart_auth.store import CHANNEL, digest


@dataclass(frozen=True, slots=True)
class Line:
    """An app in a list."""

    id: str
    name: str
    auth: str
    created: datetime
    disabled: bool


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one person allowed an app."""

    username: str
    scope: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Registered:
    """An app with what it has at this moment: the newest grants, and the number of its living tokens."""

    client: Client
    created: datetime
    disabled: bool
    tokens: int
    allowed: tuple[Allowed, ...]


def find_clients(asked: str = "", after: str | None = None) -> Work[Listed[Line]]:
    """A page of the apps whose name holds `asked`, or whose client_id it is, by name; those after the app `after`."""
    rows = yield Statement(
        """SELECT id, name, auth, created, disabled FROM client
           WHERE (position(lower(%(asked)s) IN lower(name)) > 0 OR id = %(asked)s)
             AND (%(after)s::text IS NULL
                  OR (lower(name), id) > (SELECT lower(name), id FROM client WHERE id = %(after)s))
           ORDER BY lower(name), id LIMIT %(most)s""",
        {"asked": asked.strip().replace("\0", ""), "after": after, "most": PAGE + 1},
    )
    return listed([Line(*row) for row in rows], lambda line: line.id)


def find_registered(id_: str) -> Work[Registered]:
    """One app. Raises NotFound."""
    rows = yield Statement(
        f"""SELECT created, disabled,
                   (SELECT count(*) FROM access_token t WHERE t.client = c.id AND NOT t.revoked AND t.expires > now()),
                   {COLUMNS} FROM client c WHERE id = %s""",
        (id_,),
    )
    if not rows:
        raise _none(id_)
    allowed = yield Statement(
        f"""SELECT username, context::json->>'scope', created FROM app_grant g
            WHERE client = %s AND {OPENS} ORDER BY created DESC LIMIT %s""",
        (id_, PAGE),
    )
    created, disabled, tokens, *stored = rows[0]
    return Registered(client_of(stored), created, disabled, tokens, tuple(Allowed(*row) for row in allowed))


def change_client(
    id_: str,
    new: NewClient,
    origin: Origin,
    *,
    types: Collection[str] | None = None,
    conditions: Conditions = CLOSED,
) -> Work[None]:
    """Register an app anew under its client_id; its way to prove itself stays. Raises Invalid, NotFound.

    A grant is bounded by the registration of its time; to take back what is granted, close the app.
    """
    rows = yield Statement("SELECT auth, project FROM client WHERE id = %s FOR UPDATE", (id_,))
    if not rows:
        raise _none(id_)
    if rows[0][0] != new.auth:
        raise invalid("an app that proves itself in another way is registered as another app", code="value")
    if rows[0][1] is not None:
        check_scope(new.scope)
    grants = checked(new, types, conditions)
    yield Statement(
        """UPDATE client SET name = %s, scope = %s, redirect_uris = %s, grants = %s, jwks = %s, jwks_uri = %s,
                             launch_uri = %s, post_logout_redirect_uris = %s WHERE id = %s""",
        (
            new.name, " ".join(new.scope.split()), list(new.redirect_uris), list(grants), new.jwks, new.jwks_uri,
            new.launch_uri, list(new.post_logout_redirect_uris), id_,
        ),
    )  # fmt: skip
    yield _noted(origin, "U", id_, f"registered for {new.scope}")


def rotate_secret(id_: str, origin: Origin) -> Work[str]:
    """A new secret of an app; the old one is worthless at once. Raises NotFound, Invalid where it has none."""
    secret = ids.secret()
    rows = yield Statement(
        """UPDATE client SET secret_hash = CASE WHEN secret_hash IS NOT NULL THEN %s::bytea END WHERE id = %s
           RETURNING secret_hash IS NOT NULL""",
        (digest(secret), id_),
    )
    if not rows:
        raise _none(id_)
    if not rows[0][0]:
        raise invalid("this app has no secret")
    yield _noted(origin, "U", id_, "a new secret")
    return secret


def close_client(id_: str, origin: Origin) -> Work[None]:
    """Close an app and end all that it has, at once in every process. Raises NotFound."""
    rows = yield Statement("UPDATE client SET disabled = true WHERE id = %s RETURNING id", (id_,))
    if not rows:
        raise _none(id_)
    yield from _end(id_)
    yield _noted(origin, "U", id_, "closed")


def open_client(id_: str, origin: Origin) -> Work[None]:
    """Open a closed app again; people are asked anew. Raises NotFound."""
    rows = yield Statement("UPDATE client SET disabled = false WHERE id = %s RETURNING id", (id_,))
    if not rows:
        raise _none(id_)
    yield _noted(origin, "U", id_, "opened again")


def vouch_for(id_: str, origin: Origin) -> Work[None]:
    """Say that the clinic knows an app that registered itself: people are warned of it no more. Raises NotFound."""
    rows = yield Statement("UPDATE client SET vouched = true WHERE id = %s RETURNING id", (id_,))
    if not rows:
        raise _none(id_)
    yield _noted(origin, "U", id_, "vouched for")


def remove_client(id_: str, origin: Origin) -> Work[None]:
    """Remove an app for good, with all that it has. Raises NotFound."""
    rows = yield Statement("DELETE FROM client WHERE id = %s RETURNING name", (id_,))
    if not rows:
        raise _none(id_)
    yield from _end(id_)
    yield _noted(origin, "D", id_, rows[0][0])


def _end(id_: str) -> Work[None]:
    """End what an app has. The grants are locked first, as by every exchange: what one in progress makes ends too."""
    yield Statement(
        """WITH open AS (SELECT id FROM app_grant WHERE client = %s AND ended IS NULL ORDER BY id FOR UPDATE)
           UPDATE app_grant g SET ended = now() FROM open WHERE g.id = open.id""",
        (id_,),
    )
    yield Statement(
        f"""WITH gone AS (UPDATE access_token SET revoked = true WHERE client = %s AND NOT revoked RETURNING 1)
            SELECT pg_notify('{CHANNEL}', '') WHERE EXISTS (SELECT FROM gone)""",
        (id_,),
    )
    yield Statement("DELETE FROM authorization_request WHERE convert_from(asked, 'UTF8')::json->>'client' = %s", (id_,))
    yield Statement("DELETE FROM consent WHERE client = %s", (id_,))
    yield Statement("DELETE FROM launch WHERE client = %s", (id_,))


def _noted(origin: Origin, action: str, id_: str, what: str) -> Statement:
    return record([AuditRow(origin, action, "client", entity=f"client/{id_}", query=what)])


def _none(id_: str) -> HealixError:
    return not_found(f"There is no app '{id_[:64]}'.")
