"""How much of an asked scope may be granted: never more than the client is registered for, or the person may give.

A clinical scope is cut to the types, permissions and queries that are allowed; what remains whole keeps the words of
the app, since apps compare them.

Spec: RFC 6749 3.3; SMART App Launch 2.2 scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Iterable

from healix_fhir.kernel.errors import HealixError
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.queries import Conditions, check_queries
from smart_auth.scope import OTHER_SCOPES, Scope, parse, parse_one

BY_ROLE = {
    "patient": ("patient/*.cruds", "user/*.cruds"),
    "practitioner": ("patient/*.cruds", "user/*.cruds"),
    "admin": (),
}
"""The clinical scopes that an account of each role can give: administrators read no charts, nobody gives `system/`."""


def for_role(role: str) -> str:
    """The widest scope that an account of this role can give to an app."""
    return " ".join((*BY_ROLE.get(role, ()), *sorted(OTHER_SCOPES)))


def narrowed(asked: str, allowed: str) -> str:
    """The part of `asked` that `allowed` covers, in the order asked, each word once; words of no meaning are left out.

    `narrowed(asked, allowed)` has the words of `asked` exactly when all of it is allowed.
    """
    widest = allowed.split()
    kept: dict[str, None] = {}
    for word in asked.split():
        kept.update(dict.fromkeys([word] if word in widest else _parts(word, widest)))
    return " ".join(kept)


def check_scope(scope: str, conditions: Conditions) -> None:
    """Refuse (OAuthError) a scope with a query that asks what no scope can ask."""
    try:
        check_queries(parse(scope), conditions)
    except HealixError as error:
        raise OAuthError(Reason.INVALID_SCOPE, error.message) from error


def _parts(word: str, allowed: Iterable[str]) -> list[str]:
    asked = _read(word)
    if asked is None:
        return []
    parts = []
    for other in map(_read, allowed):
        part = asked.meet(other) if other is not None else None
        if part == asked:
            return [word]
        if part is not None:
            parts.append(str(part))
    return parts


def _read(word: str) -> Scope | None:
    try:
        return parse_one(word)
    except HealixError:
        return None
