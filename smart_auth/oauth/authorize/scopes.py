"""The scopes that a person can grant of those an app asks for: registered for the app, within the person's role.

What is unknown or cannot be granted is left out, and the app sees in the token's `scope` what it got.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from healix_fhir.kernel.errors import HealixError
from smart_auth.oauth.narrowing import for_role, narrowed
from smart_auth.queries import Conditions, check_queries
from smart_auth.scope import OTHER_SCOPES, parse, parse_one

NEEDS_OPENID = frozenset({"fhirUser", "profile"})
LAUNCH, ENCOUNTER = "launch", "launch/encounter"

_OBSERVATIONS = "http://terminology.hl7.org/CodeSystem/observation-category"
CATEGORIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Condition": (
            "http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item",
            "http://terminology.hl7.org/CodeSystem/condition-category|encounter-diagnosis",
            "http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern",
        ),
        "Observation": tuple(
            f"{_OBSERVATIONS}|{code}"
            for code in (
                "laboratory", "vital-signs", "imaging", "social-history", "survey", "exam", "procedure", "therapy",
                "activity",
            )
        ),
    }
)  # fmt: skip
"""The categories by which a type is offered in parts: those of R4, and of US Core for conditions.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-observation-category.html, valueset-condition-category.html; US Core 6.1
"""


def grantable(
    asked: str, registered: str, role: str, types: Collection[str], conditions: Conditions, *, launched: bool
) -> tuple[str, ...]:
    """The words of `asked` that an account of this role can grant to a client `registered` for certain scopes.

    `types` are the resource types that there are, `conditions` knows the queries that scopes may have; `launched` tells
    whether the app was started from within Healix.
    """
    words = narrowed(narrowed(asked, registered), for_role(role)).split()
    kept = _sensible(
        word
        for word in words
        if (launched or word != LAUNCH)
        and (role != "admin" or not word.startswith("launch"))
        and (word in OTHER_SCOPES or _is_clinical(word, types, conditions))
    )
    return kept if launched or not {"launch/patient", ENCOUNTER}.isdisjoint(kept) else _without_covered(kept)


def finer(word: str) -> tuple[str, ...]:
    """The scopes that a person may choose instead of a wide one: the same, of one category each."""
    scope = parse_one(word) if word not in OTHER_SCOPES else None
    if scope is None or scope.query:
        return ()
    return tuple(str(replace(scope, query=(("category", category),))) for category in CATEGORIES.get(scope.type, ()))


def chosen(words: Iterable[str], ticked: Collection[str]) -> tuple[str, ...]:
    """Those of the offered words that are ticked, without what makes no sense on its own.

    Finer ones are offered with each word, and count where it is not ticked itself: it opens them all.
    """
    kept = (one for word in words for one in ((word,) if word in ticked else finer(word)) if one in ticked)
    return _sensible(dict.fromkeys(kept))


def needs_patient(words: Iterable[str]) -> bool:
    """Whether these scopes mean one patient, who has to be known before they are granted."""
    return any(word in (LAUNCH, "launch/patient", ENCOUNTER) or word.startswith("patient/") for word in words)


def _sensible(words: Iterable[str]) -> tuple[str, ...]:
    kept = tuple(words)
    return tuple(word for word in kept if word not in NEEDS_OPENID or "openid" in kept)


def _without_covered(words: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out `patient/` scopes that `user/` scopes open for every patient: nobody has to be chosen for them."""
    everyone = " ".join(word.replace("user/", "patient/", 1) for word in words if word.startswith("user/"))
    return tuple(word for word in words if not word.startswith("patient/") or narrowed(word, everyone) != word)


def _is_clinical(word: str, types: Collection[str], conditions: Conditions) -> bool:
    """Whether a word is a scope that tokens can have. Queries that cannot be are left out as unknown scopes are."""
    try:
        scopes = parse(word)
        check_queries(scopes, conditions)
    except HealixError:
        return False
    return all(scope.type in ("*", *types) for scope in scopes)
