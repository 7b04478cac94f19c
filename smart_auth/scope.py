"""SMART scopes: the grammar of versions 1 and 2 and their algebra, pure.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import lru_cache

from healix_fhir.kernel.errors import invalid, unsupported


class Permission(StrEnum):
    """The five permissions of a version 2 scope, in the order in which a scope must list them."""

    CREATE = "c"
    READ = "r"
    UPDATE = "u"
    DELETE = "d"
    SEARCH = "s"


class Context(Enum):
    """Whose data a scope opens."""

    PATIENT = "patient"
    USER = "user"
    SYSTEM = "system"


V1_PERMISSIONS = {"read": "rs", "write": "cud", "*": "cruds"}

OTHER_SCOPES = frozenset(
    {"openid", "fhirUser", "profile", "online_access", "offline_access", "launch", "launch/patient", "launch/encounter"}
)
"""Scopes that open no resources; they ask for identity, a refresh token or launch context."""

FHIR_SCOPE = re.compile(
    r"(?P<context>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]+)\.(?P<permissions>read|write|\*|c?r?u?d?s?)"
    r"(?P<query>\?.*)?"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """One clinical scope: `permissions` of `type` (`*` for every type) in `context`."""

    context: Context
    type: str
    permissions: frozenset[Permission]

    def allows(self, type_name: str, permission: Permission) -> bool:
        """Whether this scope, taken alone, opens `permission` on `type_name`."""
        return permission in self.permissions and self.type in ("*", type_name)

    def __str__(self) -> str:
        """The scope as a token lists it, in version 2."""
        letters = "".join(permission for permission in Permission if permission in self.permissions)
        return f"{self.context.value}/{self.type}.{letters}"


def parse(text: str) -> frozenset[Scope]:
    """The clinical scopes of a space-separated scope string; launch and identity scopes are left out.

    Raises Invalid for a word that is no SMART scope, Unsupported for a granular one (`?param=value`).
    """
    return frozenset(_parse_one(word) for word in text.split() if word not in OTHER_SCOPES)


def _parse_one(word: str) -> Scope:
    match = FHIR_SCOPE.fullmatch(word)
    if match is None or not match["permissions"]:
        raise invalid(f"'{word[:100]}' is not a SMART scope", code="value")
    if match["query"]:
        raise unsupported(f"granular scopes are not supported: '{word[:100]}'")
    letters = V1_PERMISSIONS.get(match["permissions"], match["permissions"])
    return Scope(Context(match["context"]), match["type"], frozenset(Permission(letter) for letter in letters))


@lru_cache(maxsize=4096)
def contexts(scopes: frozenset[Scope], type_name: str, permission: Permission) -> frozenset[Context]:
    """In which contexts `scopes` together open `permission` on `type_name`."""
    return frozenset(scope.context for scope in scopes if scope.allows(type_name, permission))
