"""What a resource must meet beyond R4's structure before it is stored: the operator's choice, off by default.

`HEALIX_VALIDATE_PROFILES` lists, separated by commas: `base` for R4's own invariants and bindings, `declared` for the
profiles that a resource claims in `meta.profile`, and `Type=profile` for a profile that every resource of a type must
meet. What fails is refused with 422 and every issue.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#create (422), hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from healix_fhir.interaction.definitions import Definitions
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.profile.judge import ALONE, Extent, judge
from healix_fhir.model.profile.library import Library
from healix_fhir.store.stored import Change, Method, Patched
from smart_auth.access import AccessContext


class Review(Protocol):
    """Gives back a change that may be made; `around` are the resources written with it, by Type/id.

    Raises Unprocessable, or NotLoadedError while definitions are not at hand.
    """

    def __call__(self, change: Change, around: Mapping[str, Node] = ALONE) -> Change:
        """Review one change."""
        ...


NAMES = (
    ("us-core-", "http://hl7.org/fhir/us/core/StructureDefinition/"),
    ("", "http://hl7.org/fhir/StructureDefinition/"),
)
"""What short names of profiles stand for, by how they begin."""


def unreviewed(change: Change, around: Mapping[str, Node] = ALONE) -> Change:
    """The review where the operator demands nothing."""
    return change


@dataclass(frozen=True, slots=True)
class Demands:
    """What the setting says. `profiles` are by resource type."""

    base: bool = False
    declared: bool = False
    profiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def any(self) -> bool:
        """Whether something is demanded."""
        return self.base or self.declared or bool(self.profiles)


NO_DEMANDS = Demands()


def demands(setting: str) -> Demands:
    """Read the setting. Raises Invalid for what it may not hold."""
    words = [word.strip() for word in setting.split(",") if word.strip()]
    profiles: dict[str, tuple[str, ...]] = {}
    for word in words:
        if word in ("base", "declared"):
            continue
        name, found, canonical = word.partition("=")
        if not found or name not in TYPE_ID or not canonical:
            raise invalid(f"HEALIX_VALIDATE_PROFILES: '{word[:100]}' is neither base nor declared nor Type=profile")
        profiles[name] = (*profiles.get(name, ()), _whole(canonical))
    return Demands("base" in words, "declared" in words, profiles)


def _whole(canonical: str) -> str:
    if ":" in canonical:
        return canonical
    return next(prefix + canonical for start, prefix in NAMES if canonical.startswith(start))


class Reviewer:
    """Reviews changes by the demands of the operator."""

    def __init__(self, wanted: Demands, definitions: Definitions) -> None:
        self._wanted = wanted
        self._demanding = wanted.any()
        self._definitions = definitions

    def review(self, access: AccessContext) -> Review:
        """The review of a caller's changes."""
        if not self._demanding:
            return unreviewed

        def review(change: Change, around: Mapping[str, Node] = ALONE) -> Change:
            if change.patch is not None:
                return msgspec.structs.replace(change, patch=self._patched(access, change, around))
            if change.resource is not None and change.method is not Method.DELETE:
                self._check(access, change.type, change.resource, around)
            return change

        return review

    def _patched(self, access: AccessContext, change: Change, around: Mapping[str, Node]) -> Callable[[bytes], Patched]:
        make = change.patch
        assert make is not None

        def patched(body: bytes) -> Patched:
            made = make(body)
            self._check(access, change.type, made.resource, around)
            return made

        return patched

    def _check(
        self, access: AccessContext, type_name: str, resource: dict[str, Any], around: Mapping[str, Node]
    ) -> None:
        issues = [
            issue
            for extent, library in self._extents(access, type_name)
            for issue in judge(resource, type_name, extent, library, around)
        ]
        errors = [issue for issue in issues if issue.severity in ("error", "fatal")]
        if errors:
            raise HealixError(Category.UNPROCESSABLE, errors[0].message, issues=tuple(dict.fromkeys(issues)))

    def _extents(self, access: AccessContext, type_name: str) -> Iterable[tuple[Extent, Library]]:
        """What is demanded with the definitions that count: the caller's for its claims, all for the operator's."""
        profiles = self._wanted.profiles.get(type_name, ())
        if self._wanted.base or profiles:
            yield Extent(profiles, claims=False, base=self._wanted.base, structure=False), self._definitions.everything
        if self._wanted.declared:
            yield Extent(base=False, structure=False), self._definitions.library(access)
