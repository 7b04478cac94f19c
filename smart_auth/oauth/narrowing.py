"""How much of an asked scope may be granted: never more than the client is registered for, or the person may give.

A clinical scope is cut to the types and permissions that are allowed; what remains whole keeps the words of the
app, since apps compare them. A granular scope (`?param=value`) is allowed by one that is as wide or the same.

Spec: RFC 6749 3.3; SMART App Launch 2.2 scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from smart_auth.scope import FHIR_SCOPE, OTHER_SCOPES, V1_PERMISSIONS

BY_ROLE = {
    "patient": ("patient/*.cruds",),
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


def _parts(word: str, allowed: Iterable[str]) -> list[str]:
    asked = _match(word)
    if asked is None:
        return []
    letters = _letters(asked)
    parts = []
    for other in map(_match, allowed):
        if other is None or other["context"] != asked["context"] or other["query"] not in (None, asked["query"]):
            continue
        common = "".join(letter for letter in letters if letter in _letters(other))
        if not common or (other["type"] != "*" and asked["type"] not in ("*", other["type"])):
            continue
        type_name = other["type"] if asked["type"] == "*" else asked["type"]
        if common == letters and type_name == asked["type"]:
            return [word]
        parts.append(f"{asked['context']}/{type_name}.{common}{asked['query'] or ''}")
    return parts


def _match(word: str) -> re.Match[str] | None:
    match = FHIR_SCOPE.fullmatch(word)
    return match if match is not None and match["permissions"] else None


def _letters(match: re.Match[str]) -> str:
    return V1_PERMISSIONS.get(match["permissions"], match["permissions"])
