"""SMART scopes: the grammar of versions 1 and 2 and their algebra, pure.

A scope of version 2 may end with a query, `patient/Observation.rs?category=http://...|laboratory`: it opens only the
resources that the query finds. Its pairs are written as in a URL, and all of them must hold; a scope string is the
union of its scopes. What a query may ask is up to the search (healix_fhir/search/granular); here it is compared with
others by its words alone.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import parse_qsl, quote

from healix_fhir.kernel.errors import HealixError, invalid


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
    r"(?:\?(?P<query>.*))?"
)
PARAMETER = re.compile(r"_?[a-z][A-Za-z0-9-]*(:[A-Za-z-]+)?")
"""A search parameter with its modifier; a chain or `_has` is none."""
ALTERNATIVE = re.compile(r"(?:^|,)((?:\\.|[^\\,])*)")
MOST_PAIRS = 10
LONGEST_QUERY = 2000
PLAIN = "/:|,$!*'()@;?~[]{}^<>`"
"""Characters of a query's values, beside letters, digits and `-._`, that mean nothing else within a scope."""

Query: TypeAlias = tuple[tuple[str, str], ...]
"""Pairs of a parameter and its value, all of which must hold; in canonical form, see `read_query`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One clinical scope: `permissions` of `type` (`*` for every type) in `context`, where `query` holds."""

    context: Context
    type: str
    permissions: frozenset[Permission]
    query: Query = ()

    def names(self, type_name: str, permission: Permission) -> bool:
        """Whether this scope is about `permission` on `type_name`, for all of its resources or for some."""
        return permission in self.permissions and self.type in ("*", type_name)

    def covers(self, other: Scope) -> bool:
        """Whether this scope opens all that `other` opens."""
        return (
            self.context is other.context
            and self.type in ("*", other.type)
            and self.permissions >= other.permissions
            and implies(other.query, self.query)
        )

    def meet(self, other: Scope) -> Scope | None:
        """What both scopes open; None for nothing.

        Queries that bind one parameter to different values are taken for ones that no resource meets together.
        """
        query = _both(self.query, other.query)
        permissions = self.permissions & other.permissions
        type_name = other.type if self.type == "*" else self.type
        if query is None or not permissions or self.context is not other.context:
            return None
        if other.type not in ("*", type_name):
            return None
        return Scope(self.context, type_name, permissions, query)

    def __str__(self) -> str:
        """The scope as a token lists it, in version 2 and canonical form."""
        letters = "".join(permission for permission in Permission if permission in self.permissions)
        return f"{self.context.value}/{self.type}.{letters}{'?' if self.query else ''}{written(self.query)}"


REMEMBERED = 2000
"""Characters of a scope string that is remembered: anybody may send longer ones, and many."""


def parse(text: str) -> frozenset[Scope]:
    """The clinical scopes of a space-separated scope string; launch and identity scopes are left out.

    Tokens of one scope string have one and the same set, so that what is remembered of it is found without comparing
    their scopes. Raises Invalid for a word that is no SMART scope.
    """
    return _remembered(text) if len(text) <= REMEMBERED else _parsed(text)


def _parsed(text: str) -> frozenset[Scope]:
    return frozenset(parse_one(word) for word in text.split() if word not in OTHER_SCOPES)


_remembered = lru_cache(maxsize=512)(_parsed)


def parse_one(word: str) -> Scope:
    """One clinical scope. Raises Invalid."""
    match = FHIR_SCOPE.fullmatch(word)
    if match is None or not match["permissions"]:
        raise invalid(f"'{word[:100]}' is not a SMART scope", code="value")
    letters = V1_PERMISSIONS.get(match["permissions"], match["permissions"])
    scope = Scope(Context(match["context"]), match["type"], frozenset(Permission(letter) for letter in letters))
    if match["query"] is None:
        return scope
    if letters != match["permissions"]:
        raise _refused(word, "the permissions of a scope with a query are letters, as in .rs")
    if scope.type == "*":
        raise _refused(word, "a scope with a query names one resource type")
    return Scope(scope.context, scope.type, scope.permissions, read_query(match["query"], word))


def read_query(text: str, word: str) -> Query:
    """The canonical form of a query, `word` being the scope that has it.

    Pairs that follow from others are left out; pairs and the alternatives of each value are sorted. Raises Invalid.
    """
    if len(text) > LONGEST_QUERY:
        raise _refused(word, f"its query is longer than {LONGEST_QUERY} characters")
    if not text:
        raise _refused(word, "its query is empty")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MOST_PAIRS)
    except ValueError as error:
        raise _refused(word, f"its query is not of up to {MOST_PAIRS} pairs as in a URL, name=value") from error
    for name, value in pairs:
        if not PARAMETER.fullmatch(name):
            raise _refused(word, "its query may have search parameters of the resource itself, no chains")
        if not all(alternatives(value)) or "\x00" in value:
            raise _refused(word, f"{name} has an empty value")
    return _minimal((name, ",".join(sorted(alternatives(value)))) for name, value in pairs)


def written(query: Query) -> str:
    """A query as it stands in a scope: what would end it, part it or be no character of a scope is escaped.

    Spec: RFC 6749 3.3 (scope-token)
    """
    return "&".join(f"{name}={quote(value, safe=PLAIN)}" for name, value in query)


def alternatives(value: str) -> frozenset[str]:
    """The values of which one is asked for; commas may be escaped (FHIR R4, hl7.org/fhir/R4/search.html#escaping)."""
    return frozenset(ALTERNATIVE.findall(value))


def implies(narrow: Query, wide: Query) -> bool:
    """Whether all that `narrow` finds is found by `wide`, as their words tell."""
    return all(any(_follows(pair, wanted) for pair in narrow) for wanted in wide)


def _follows(given: tuple[str, str], wanted: tuple[str, str]) -> bool:
    """Whether one pair follows from another: fewer alternatives find less, and excluding fewer excludes less."""
    if given[0] != wanted[0]:
        return False
    have, want = alternatives(given[1]), alternatives(wanted[1])
    return have >= want if given[0].endswith(":not") else have <= want


def _minimal(pairs: Iterable[tuple[str, str]]) -> Query:
    """The pairs without those that follow from another, sorted."""
    every = sorted(set(pairs))
    return tuple(one for one in every if not any(_follows(other, one) for other in every if other != one))


def _both(one: Query, other: Query) -> Query | None:
    """The query that finds what both find; None for none. See `Scope.meet`."""
    if implies(one, other):
        return one
    if implies(other, one):
        return other
    if {name for name, _ in one} & {name for name, _ in other}:
        return None
    return _minimal((*one, *other))


def _refused(word: str, why: str) -> HealixError:
    return invalid(f"'{word[:100]}' is not a scope that this server knows: {why}", code="value")


@lru_cache(maxsize=4096)
def contexts(scopes: frozenset[Scope], type_name: str, permission: Permission) -> frozenset[Context]:
    """In which contexts `scopes` open `permission` on `type_name` whatever the resource: those with a query do not."""
    return frozenset(scope.context for scope in scopes if not scope.query and scope.names(type_name, permission))


@lru_cache(maxsize=4096)
def named(scopes: frozenset[Scope], type_name: str, permission: Permission) -> frozenset[Context]:
    """In which contexts `scopes` are about `permission` on `type_name` at all."""
    return frozenset(scope.context for scope in scopes if scope.names(type_name, permission))


@lru_cache(maxsize=4096)
def bounded(scopes: frozenset[Scope], type_name: str, permission: Permission) -> tuple[Scope, ...]:
    """The scopes with a query that open further resources of `type_name`, in the order of their words."""
    whole = contexts(scopes, type_name, permission)
    further = (scope for scope in scopes if scope.query and scope.names(type_name, permission))
    return tuple(sorted((scope for scope in further if scope.context not in whole), key=str))
