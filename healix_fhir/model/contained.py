"""Rules of contained resources, checked on the resource that contains them.

Spec: FHIR R4, hl7.org/fhir/R4/domainresource.html (dom-2 to dom-5) and hl7.org/fhir/R4/references.html#contained
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from healix_fhir.model.problems import Problem, Problems, Walk, below

FORBIDDEN_META = {"versionId": "dom-4", "lastUpdated": "dom-4", "security": "dom-5"}


def contained_types(resource: dict[str, Any]) -> dict[str, str]:
    """The types of the contained resources by id; whatever has no such form is left to the rules."""
    contained = resource.get("contained")
    if type(contained) is not list:
        return {}
    return {
        item["id"]: item["resourceType"]
        for item in contained
        if type(item) is dict and type(item.get("id")) is str and type(item.get("resourceType")) is str
    }


def contained_rule(value: dict[str, Any], _parent: dict[str, Any], walk: Walk) -> Problems:
    """The rule on a resource that may contain others."""
    contained = value.get("contained")
    if contained is None:
        return None
    if walk.inside:
        return [Problem(".contained", "invariant", "a contained resource must not contain resources (dom-2)")]
    if type(contained) is not list:
        return None
    mentioned = set(_fragments(value))
    seen: set[str] = set()
    found: list[Problem] = []
    for position, item in enumerate(contained):
        if type(item) is dict:
            found += below(f".contained[{position}]", list(_item_problems(item, mentioned, seen)))
    return found or None


def _item_problems(item: dict[str, Any], mentioned: set[str], seen: set[str]) -> Iterable[Problem]:
    id_ = item.get("id")
    if id_ is None:
        yield Problem(".id", "required", "a contained resource needs an id")
    elif type(id_) is str:
        if id_ in seen:
            yield Problem(".id", "invariant", f"there are several contained resources '{id_[:64]}'")
        seen.add(id_)
        if f"#{id_}" not in mentioned and "#" not in set(_fragments(item)):
            yield Problem(
                "", "invariant", "a contained resource must be referred to, or refer to its container (dom-3)"
            )
    meta = item.get("meta")
    for name in FORBIDDEN_META.keys() & (meta.keys() if type(meta) is dict else ()):
        yield Problem(f".meta.{name}", "invariant", f"a contained resource has no meta.{name} ({FORBIDDEN_META[name]})")


def _fragments(value: Any) -> Iterable[str]:
    """Every string in `value` that is a reference within the resource."""
    if type(value) is str:
        if value.startswith("#"):
            yield value
    elif type(value) is dict or type(value) is list:
        for item in value.values() if type(value) is dict else value:
            yield from _fragments(item)
