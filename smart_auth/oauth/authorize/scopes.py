"""The scopes that a person can grant of those an app asks for: registered for the app, within the person's role.

What is unknown or cannot be granted is left out, and the app sees in the token's `scope` what it got.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from healix_fhir.kernel.errors import HealixError
from smart_auth.access import Conditions, check_queries
from smart_auth.oauth.narrowing import for_role, narrowed
from smart_auth.scope import OTHER_SCOPES, parse

NEEDS_OPENID = frozenset({"fhirUser", "profile"})
FROM_LAUNCH = frozenset({"launch", "launch/encounter"})
"""Context that is only there when the app was started from within Healix."""


def grantable(
    asked: str, registered: str, role: str, types: Collection[str], conditions: Conditions, *, launched: bool
) -> tuple[str, ...]:
    """The words of `asked` that an account of this role can grant to a client `registered` for certain scopes.

    `types` are the resource types that there are, `conditions` knows the queries that scopes may have; `launched` tells
    whether the app was started from within Healix.
    """
    words = narrowed(narrowed(asked, registered), for_role(role)).split()
    return _sensible(
        word
        for word in words
        if (launched or word not in FROM_LAUNCH)
        and (role != "admin" or not word.startswith("launch"))
        and (word in OTHER_SCOPES or _is_clinical(word, types, conditions))
    )


def chosen(words: Iterable[str], ticked: Collection[str]) -> tuple[str, ...]:
    """Those of the offered words that are ticked, without what makes no sense on its own."""
    return _sensible(word for word in words if word in ticked)


def needs_patient(words: Iterable[str]) -> bool:
    """Whether these scopes mean one patient, who has to be known before they are granted."""
    return any(word in ("launch", "launch/patient") or word.startswith("patient/") for word in words)


def _sensible(words: Iterable[str]) -> tuple[str, ...]:
    kept = tuple(words)
    return tuple(word for word in kept if word not in NEEDS_OPENID or "openid" in kept)


def _is_clinical(word: str, types: Collection[str], conditions: Conditions) -> bool:
    """Whether a word is a scope that tokens can have. Queries that cannot be are left out as unknown scopes are."""
    try:
        scopes = parse(word)
        check_queries(scopes, conditions)
    except HealixError:
        return False
    return all(scope.type in ("*", *types) for scope in scopes)
