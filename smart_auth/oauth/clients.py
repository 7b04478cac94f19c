"""Registered apps: what is known of each, and what may be registered.

Spec: RFC 7591 section 2; SMART App Launch 2.2 app-launch.html#register-app-with-ehr; RFC 9700 2.1
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import invalid
from smart_auth.oauth.keysets import parse_keys
from smart_auth.queries import CLOSED, Conditions, check_queries
from smart_auth.scope import Context, Scope, parse
from smart_auth.store import digest

AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post", "private_key_jwt")
"""Spec: SMART App Launch 2.2 client authentication; RFC 7591 section 2, token_endpoint_auth_method"""

CODE, REFRESH, CREDENTIALS = "authorization_code", "refresh_token", "client_credentials"
GRANTS = (CODE, REFRESH, CREDENTIALS)
LOOPBACK = ("127.0.0.1", "::1", "localhost")
PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
"""Of an app on a phone: a domain name in reverse order. Spec: RFC 8252 7.1"""
PRINTABLE = re.compile(r"[!-~]{1,2000}")
NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
LONGEST_SCOPE = 8000
COLUMNS = (
    "id, name, auth, secret_hash, scope, redirect_uris, grants, jwks, jwks_uri, launch_uri, post_logout_redirect_uris,"
    " vouched"
)
MOST_ADDRESSES = 50


@dataclass(frozen=True, slots=True)
class NewClient:
    """What is registered of an app. Without `grants`, those that fit its redirect URIs."""

    name: str
    scope: str
    auth: str = "none"
    redirect_uris: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    jwks: str | None = None
    jwks_uri: str | None = None
    launch_uri: str | None = None
    post_logout_redirect_uris: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """A registered app. `secret_hash` is the SHA-256 of its secret, where it has one.

    One that registered itself is `vouched` for when an administrator says so; until then all that is known of it, its
    name too, is what it says of itself.
    """

    id: str
    name: str
    auth: str
    secret_hash: bytes | None
    scope: str
    redirect_uris: tuple[str, ...]
    grants: tuple[str, ...]
    jwks: str | None
    jwks_uri: str | None
    launch_uri: str | None
    post_logout_redirect_uris: tuple[str, ...] = ()
    vouched: bool = True


def find_client(id_: str) -> Work[Client | None]:
    """The client with this client_id; one that an administrator has closed is as unknown."""
    rows = yield Statement(
        f"SELECT {COLUMNS} FROM client WHERE id = %s AND NOT disabled", (id_.replace("\0", "\ufffd"),)
    )
    return client_of(rows[0]) if rows else None


def client_of(row: Sequence[Any]) -> Client:
    """The client of a row with the `COLUMNS`."""
    known, name, auth, secret_hash, scope, redirect_uris, grants, jwks, jwks_uri, launch_uri, after, vouched = row
    secret = bytes(secret_hash) if secret_hash is not None else None
    return Client(
        *(known, name, auth, secret, scope, tuple(redirect_uris), tuple(grants), jwks, jwks_uri, launch_uri),
        tuple(after),
        vouched,
    )


def still_open(client: Client) -> Work[bool]:
    """Whether a client that was found before is still to get something; it stays so until this transaction ends."""
    return bool((yield Statement("SELECT 1 FROM client WHERE id = %s AND NOT disabled FOR SHARE", (client.id,))))


def create_client(
    new: NewClient,
    *,
    types: Collection[str] | None = None,
    conditions: Conditions = CLOSED,
    origin: Origin | None = None,
) -> Work[tuple[str, str | None]]:
    """Register an app; its client_id, and its secret where its authentication uses one.

    `types`, where given, are the resource types that its scope may name; `conditions` knows the queries that scopes may
    have. An `origin` that names nobody is the app itself, for which nobody vouches. Raises Invalid for what may not be.
    """
    grants = checked(new, types, conditions)
    who = origin or Origin()
    itself = who.account is None and who.client is None
    id_ = ids.logical_id()
    secret = ids.secret() if new.auth.startswith("client_secret") else None
    yield Statement(
        f"INSERT INTO client ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            id_, new.name, new.auth, digest(secret) if secret else None, " ".join(new.scope.split()),
            list(new.redirect_uris), list(grants), new.jwks, new.jwks_uri, new.launch_uri,
            list(new.post_logout_redirect_uris), not itself,
        ),
    )  # fmt: skip
    registrar = Origin(id_, None, who.address, who.request) if itself else who
    yield record([AuditRow(registrar, "C", "client", entity=f"client/{id_}", query=new.scope)])
    return id_, secret


def checked(new: NewClient, types: Collection[str] | None, conditions: Conditions) -> tuple[str, ...]:
    """The grants of what is to be registered. Raises Invalid, as `create_client`."""
    check_queries(_check_words(new, types), conditions)
    grants = _grants(new)
    _check_keys(new)
    _check_addresses(new, grants)
    return grants


def _check_words(new: NewClient, types: Collection[str] | None) -> Collection[Scope]:
    if not NAME.fullmatch(new.name) or not new.name.strip() or not new.name.isprintable():
        raise invalid("a client has a name of 1 to 200 characters that can be seen", code="required")
    if new.auth not in AUTH_METHODS:
        raise invalid(f"the authentication of a client is one of {', '.join(AUTH_METHODS)}", code="value")
    if len(new.scope) > LONGEST_SCOPE:
        raise invalid(f"a scope has at most {LONGEST_SCOPE} characters")
    scopes = parse(new.scope)
    unknown = sorted({one.type for one in scopes if types is not None and one.type != "*" and one.type not in types})
    if unknown:
        raise invalid(f"'{unknown[0][:64]}' in the scope is no FHIR R4 resource type", code="value")
    if any(one.context is Context.SYSTEM for one in scopes) and new.auth != "private_key_jwt":
        raise invalid("system/ scopes are for clients with private_key_jwt", code="value")
    return scopes


def _grants(new: NewClient) -> tuple[str, ...]:
    """The grants of a client: those named, else those that its registration lets it use.

    A confidential client may have none: a resource server only introspects.
    """
    unknown = [one for one in new.grants if one not in GRANTS]
    if unknown:
        raise invalid(f"a grant is one of {', '.join(GRANTS)}, not '{unknown[0][:64]}'", code="value")
    if CREDENTIALS in new.grants and new.auth != "private_key_jwt":
        raise invalid("client_credentials is for clients with private_key_jwt", code="value")
    if new.grants:
        return tuple(dict.fromkeys(new.grants))
    if new.redirect_uris:
        return (CODE, REFRESH)
    if new.auth == "none":
        raise invalid("a public client needs a redirect URI", code="required")
    return (CREDENTIALS,) if new.auth == "private_key_jwt" else ()


def _check_keys(new: NewClient) -> None:
    if new.auth != "private_key_jwt":
        if new.jwks or new.jwks_uri:
            raise invalid("keys are for clients with private_key_jwt", code="value")
        return
    if not (new.jwks or new.jwks_uri):
        raise invalid("private_key_jwt needs the client's keys", code="required")
    if new.jwks and new.jwks_uri:
        raise invalid("a client's keys are given by value or by URL, not both", code="value")
    if new.jwks:
        parse_keys(new.jwks)
    elif not _is_web(new.jwks_uri or ""):
        raise invalid("the URL of the client's keys begins with https://", code="value")


def _check_addresses(new: NewClient, grants: tuple[str, ...]) -> None:
    if max(len(new.redirect_uris), len(new.post_logout_redirect_uris)) > MOST_ADDRESSES:
        raise invalid(f"a client has at most {MOST_ADDRESSES} redirect URIs")
    for uri in (*new.redirect_uris, *new.post_logout_redirect_uris):
        _check_redirect(uri)
    if CODE in grants and not new.redirect_uris:
        raise invalid("authorization_code needs a redirect URI", code="required")
    if new.launch_uri is not None and not _is_web(new.launch_uri):
        raise invalid("the launch URI begins with https://, or http:// on this computer", code="value")


def _check_redirect(uri: str) -> None:
    """Refuse (Invalid) what is no address to send a code to.

    Spec: RFC 6749 3.1.2; RFC 8252 7; RFC 9700 2.1 (no plain http but to the app's own computer)
    """
    private = PRIVATE_SCHEME.fullmatch(uri.partition(":")[0]) is not None
    if not PRINTABLE.fullmatch(uri) or "#" in uri or "*" in uri or not (private or _is_web(uri)):
        raise invalid(
            f"'{uri[:100]}' is no redirect URI: https://…, http:// on this computer, or an app's own scheme as"
            " com.example.app:/…; without fragment",
            code="value",
        )


def _is_web(uri: str) -> bool:
    """Whether a browser may go there: over TLS, or to its own computer."""
    if not PRINTABLE.fullmatch(uri):
        return False
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None or "\\" in uri:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
