"""Access tokens and accounts as they are kept: secrets only as hashes.

An access token is opaque: 256 random bits, stored as their SHA-256, so that a copy of the database opens nothing.
Everything that changes what a token may do announces it on `CHANNEL`; processes drop what they remember of tokens.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from psycopg.errors import UniqueViolation

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, invalid
from smart_auth.access import AccessContext
from smart_auth.care_list import CARES_FOR_MANY
from smart_auth.patients import patient_keys
from smart_auth.person import PROXY, STANDING, find_person, person_of
from smart_auth.queries import CLOSED, Conditions, check_queries
from smart_auth.research import check_scope, opened, project_number
from smart_auth.scope import Context, Scope, parse

CHANNEL = "healix_token"
"""Notified with the hex hash of a token that is no longer good, or with nothing when any may have changed."""

USERNAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
ROLES = {"patient": ("Patient", PROXY), "practitioner": ("Practitioner",), "admin": ("Practitioner",)}
"""The roles, and the types of resource of which an account of each may be linked to one."""

CARING = frozenset({"patient", "practitioner"})
"""The roles whose accounts open records: administrators read no charts."""

LONGEST = 10 * 365 * 86400
"""Longest life of a token, in seconds."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person who logs in. `fhir_user` is `Patient/ID`, `RelatedPerson/ID` or `Practitioner/ID`."""

    username: str
    role: str
    fhir_user: str | None

    @property
    def practitioner(self) -> str | None:
        """Logical id of the Practitioner that a practitioner's account is; administrators read no charts."""
        return self.fhir_user.partition("/")[2] if self.role == "practitioner" and self.fhir_user else None

    @property
    def patient(self) -> str | None:
        """Logical id of the Patient that a patient's account is; a parent without a record here is none."""
        kind, _, id_ = (self.fhir_user or "").partition("/")
        return id_ if self.role == "patient" and kind == "Patient" else None


@dataclass(frozen=True, slots=True)
class Found:
    """A good token: what it opens and for how many seconds it still lives."""

    access: AccessContext
    seconds: float


def digest(token: str) -> bytes:
    """What is stored of a secret of 256 bits; it needs no salt and no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def create_token(
    scope: str,
    *,
    patient: str | None = None,
    username: str | None = None,
    client: str = "healix",
    ttl: int = 3600,
    project: str | None = None,
    types: Collection[str] | None = None,
    conditions: Conditions = CLOSED,
    origin: Origin | None = None,
) -> Work[str]:
    """A new access token, made by `origin` (left out: by whom it is for). `types`, where given, are the resource types
    that a scope may name. With `project` it is a research token of that project.

    `conditions` knows the queries that scopes may have.

    Raises Invalid when the scope opens nothing: no clinical scope, an unknown type, `patient/` scopes without a
    patient, `user/` scopes without the account of a patient or practitioner, a query that no scope may have.
    """
    scopes = _clinical(scope, types)
    check_queries(scopes, conditions)
    number = (yield from project_number(project)) if project is not None else None
    if number is not None:
        check_scope(scope)
    if not 1 <= ttl <= LONGEST:
        raise invalid(f"a token lives between 1 and {LONGEST} seconds")
    account = (yield from _known_account(username)) if username is not None else None
    acts = bool((yield from find_person(account.username)).proxies) if account is not None else False
    patient = _patient_of(account, patient, acts=acts)
    _check_contexts(scopes, patient, account)
    pat = (yield from patient_keys([patient]))[patient] if patient is not None else None
    token = ids.secret()
    name = account.username if account else None
    yield Statement(
        """INSERT INTO access_token (hash, client, username, scope, patient, pat, project, expires)
           VALUES (%s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))""",
        (digest(token), client, name, scope, patient, pat, number, ttl),
    )
    whose = f"account/{name}" if origin is not None and name is not None else None
    who = origin or Origin(client=client, account=name)
    yield record([AuditRow(who, "C", "token", patient=patient, entity=whose, query=scope)])
    return token


def _clinical(scope: str, types: Collection[str] | None) -> frozenset[Scope]:
    scopes = parse(scope)
    if not scopes:
        raise invalid("the scope names no resources, e.g. system/*.rs", code="value")
    unknown = sorted({one.type for one in scopes if types is not None and one.type != "*" and one.type not in types})
    if unknown:
        raise invalid(f"'{unknown[0][:64]}' in the scope is no FHIR R4 resource type", code="value")
    return scopes


def _patient_of(account: Account | None, patient: str | None, *, acts: bool) -> str | None:
    """The token's patient: the one named, else the one that the account is, which has no other unless it acts for one.

    Whether it acts for the one named is decided by the relationships at the time of use.
    """
    own = account.patient if account else None
    if own is not None and patient not in (None, own) and not acts:
        raise invalid("a patient's account opens that patient's record only", code="value")
    if patient is not None and not ids.is_logical_id(patient):
        raise invalid(f"'{patient[:64]}' is no logical id of a Patient", code="value")
    return own if patient is None else patient


def _check_contexts(scopes: Collection[Scope], patient: str | None, account: Account | None) -> None:
    asked = {one.context for one in scopes}
    if Context.PATIENT in asked and patient is None:
        raise invalid("patient/ scopes need the patient whose record they open", code="required")
    if Context.PATIENT in asked and account is not None and account.role not in CARING:
        raise invalid("patient/ scopes are not for an administrator's account, which reads no charts", code="value")
    if Context.USER in asked and (account is None or account.role not in CARING):
        raise invalid("user/ scopes need an account with the role patient or practitioner", code="required")


FIND = f"""SELECT t.hash, t.scope, t.client, t.username, t.patient, t.pat, a.role,
                 extract(epoch FROM t.expires - now())::float8, {STANDING},
                 ARRAY(SELECT kind FROM narrowing), ARRAY(SELECT type FROM several_compartments),
                 a.role = 'practitioner' AND {CARES_FOR_MANY.format(practitioner="substr(a.fhir_user, 14)")},
                 coalesce(t.project, c.project), p.name
          FROM access_token t LEFT JOIN account a USING (username)
          LEFT JOIN client c ON c.id = t.client COLLATE "C"
          LEFT JOIN research_project p ON p.number = coalesce(t.project, c.project)
          WHERE t.hash = ANY(%s) AND NOT t.revoked AND t.expires > now()
            AND (t.username IS NULL OR NOT a.disabled)"""


def find(hashes: Sequence[bytes]) -> Work[dict[bytes, Found]]:
    """The good ones among tokens, by hash, with one statement; unknown, expired and revoked ones are missing."""
    rows = yield Statement(FIND, (list(hashes),))
    found = {}
    for token, scope, client, username, patient, pat, role, seconds, *standing in rows:
        own, fhir_user, linked, narrowed, several, wide, project, project_name = standing
        origin = Origin(client=client, account=username, token=bytes(token))
        if project is not None:
            access = opened(project, project_name or "", parse(scope), origin)
            found[bytes(token)] = Found(access, seconds)
            continue
        practitioner = Account(username, role, fhir_user).practitioner if username else None
        person = person_of(own, fhir_user, linked) if role == "patient" else None
        charts = username is None or role in CARING  # who has become an administrator reads none any more
        access = AccessContext(
            parse(scope),
            origin,
            patient if charts else None,
            pat if charts else None,
            practitioner,
            person=person,
            narrowed=frozenset(narrowed),
            several=frozenset(several),
            wide=practitioner is not None and bool(wide),
        )
        found[bytes(token)] = Found(access, seconds)
    return found


def revoke(token: str, *, origin: Origin | None = None) -> Work[bool]:
    """Make a token worthless at once in every process; False when there was no such good token."""
    rows = yield Statement(
        f"""WITH gone AS (UPDATE access_token SET revoked = true WHERE hash = %s AND NOT revoked
                          RETURNING hash, client, username, patient)
            SELECT client, username, patient, pg_notify('{CHANNEL}', encode(hash, 'hex')) FROM gone""",
        (digest(token),),
    )
    for client, username, patient, _ in rows:
        who = origin or Origin(client=client, account=username)
        yield record([AuditRow(who, "D", "token", patient=patient)])
    return bool(rows)


def create_user(
    username: str,
    *,
    role: str,
    fhir_user: str | None,
    password_hash: str,
    mail: str | None = None,
    origin: Origin | None = None,
) -> Work[None]:
    """A new account, made by `origin` (left out: by its person).

    Raises Invalid for a name, role or link that does not fit, Conflict when the name is taken.
    """
    name = username.strip().lower()
    if not USERNAME.fullmatch(name):
        raise invalid("a username is 1 to 64 letters, digits and . _ @ + - and begins with a letter or digit")
    check_person(role, fhir_user)
    try:
        yield Statement(
            "INSERT INTO account (username, role, fhir_user, password_hash, mail) VALUES (%s, %s, %s, %s, %s)",
            (name, role, fhir_user, password_hash, mail),
        )
    except UniqueViolation as error:
        raise HealixError(Category.CONFLICT, f"there is already an account '{name}'") from error
    if origin is None:
        yield record([AuditRow(Origin(account=name), "C", "account", entity=fhir_user)])
    else:
        made = f"{role} {fhir_user or ''}".strip()
        yield record([AuditRow(origin, "C", "account", entity=f"account/{name}", query=made)])


def check_person(role: str, fhir_user: str | None) -> None:
    """Refuse (Invalid) a role that there is not, and a person whom an account of the role cannot be."""
    if role not in ROLES:
        raise invalid(f"a role is one of {', '.join(ROLES)}", code="value")
    if fhir_user is None:
        if role != "admin":
            raise invalid(f"an account with the role {role} is linked to a {' or '.join(ROLES[role])}", code="required")
        return
    kind, _, id_ = fhir_user.partition("/")
    if kind not in ROLES[role] or not ids.is_logical_id(id_):
        wanted = " or ".join(f"{name}/ID" for name in ROLES[role])
        raise invalid(f"an account with the role {role} is linked to {wanted}, not '{fhir_user[:80]}'")


def disable_user(username: str, origin: Origin | None = None) -> Work[bool]:
    """Close an account and with it its sessions and tokens, at once; False when there is none.

    It comes back to life with its tokens when it is opened again; `smart_auth/administration` ends them for good.
    """
    rows = yield Statement(
        f"""WITH closed AS (UPDATE account SET disabled = true WHERE username = %s RETURNING username),
                 gone AS (DELETE FROM session WHERE username IN (SELECT username FROM closed))
            SELECT username, pg_notify('{CHANNEL}', '') FROM closed""",
        (username.strip().lower(),),
    )
    if rows:
        name = rows[0][0]
        yield record(
            [AuditRow(origin or Origin(account=name), "U", "account", entity=f"account/{name}", query="closed")]
        )
    return bool(rows)


def find_account(username: str) -> Work[tuple[Account, str] | None]:
    """An open account and its password hash."""
    rows = yield Statement(
        "SELECT username, role, fhir_user, password_hash FROM account WHERE username = %s AND NOT disabled",
        (username.strip().lower(),),
    )
    return (Account(*rows[0][:3]), rows[0][3]) if rows else None


def _known_account(username: str) -> Work[Account]:
    found = yield from find_account(username)
    if found is None:
        raise invalid(f"there is no account '{username[:64]}'", code="not-found")
    return found[0]


def sweep() -> Work[None]:
    """Remove what is long past: tokens a day after their end, old sessions and counters. Run it once in a while."""
    yield Statement("DELETE FROM access_token WHERE expires < now() - interval '1 day'")
    yield Statement("DELETE FROM refresh_token WHERE expires < now() - interval '1 day'")
    yield Statement("DELETE FROM used_assertion WHERE expires < now() - interval '1 hour'")
    yield Statement(
        """DELETE FROM app_grant g WHERE created < now() - interval '1 day' AND (redeemed IS NULL OR ended IS NOT NULL
             OR NOT EXISTS (SELECT FROM refresh_token r WHERE r.grant_id = g.id))
           AND NOT EXISTS (SELECT FROM access_token t WHERE t.grant_id = g.id)"""
    )
    yield Statement("DELETE FROM care_relationship WHERE emergency AND ends < now() - interval '1 day'")
    yield Statement("DELETE FROM session WHERE created < now() - interval '1 day'")
    yield Statement("DELETE FROM throttle WHERE expires < now()")
    yield Statement("DELETE FROM passkey_challenge WHERE created < now() - interval '1 hour'")
    yield Statement("DELETE FROM pending_login WHERE created < now() - interval '1 hour'")
    yield Statement("DELETE FROM authorization_request WHERE created < now() - interval '1 hour'")
    yield Statement("DELETE FROM launch WHERE expires < now()")
