"""The TerminologyCapabilities: which code systems there are, and what of terminology services runs.

It is made from the operations that are registered and from what is in the database. CodeSystems that were written over
FHIR are not named, since who may see them is for each caller to be found out; they are found by searching.

Spec: FHIR R4, hl7.org/fhir/R4/terminologycapabilities.html, hl7.org/fhir/R4/terminology-service.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from healix_fhir.interaction.capabilities import BUILT
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import aat_once
from healix_fhir.model.json import encode
from healix_fhir.model.profile.code_system import GRAMMARS
from healix_fhir.model.profile.definition import precedence
from healix_fhir.model.profile.official import terminology, whole
from healix_fhir.operation.operation import Operation
from healix_fhir.operation.registry import OPERATIONS
from healix_fhir.terminology.catalog import ABSENT, CODE_SYSTEM, Named, installed

Json = dict[str, Any]

VALUE_SET, CONCEPT_MAP = "ValueSet", "ConceptMap"
TEXT_FILTER = (
    "Each word of the text begins a word of the code, its display or one of its designations, in any order, without"
    " regard to case and accents."
)


async def terminology_capabilities(interactions: Interactions) -> bytes:
    """The JSON of the statement of the server whose base these interactions have."""
    found = await aat_once(interactions.pool, installed())
    return encode(statement(interactions.bases[0], [*_official(), *found]))


def statement(base: str, systems: Iterable[Named]) -> Json:
    """The statement of a server at `base` with these code systems."""
    return {
        "resourceType": "TerminologyCapabilities",
        "status": "active",
        "date": BUILT,
        "kind": "instance",
        "software": {"name": "Healix", "version": version("healix")},
        "implementation": {"description": "Healix: clinical data and images", "url": base},
        "lockedDate": False,
        "codeSystem": _systems(systems),
        **_operations(),
    }


def _systems(systems: Iterable[Named]) -> list[Json]:
    by_url: dict[str, dict[str, bool]] = {url: {} for url in GRAMMARS}
    for one in systems:
        versions = by_url.setdefault(one.url, {})
        versions[one.version] = versions.get(one.version, False) or one.hierarchical
    return [_system(url, versions) for url, versions in sorted(by_url.items())]


def _system(url: str, versions: dict[str, bool]) -> Json:
    coded = sorted((code for code in versions if code), key=precedence)
    told = [{"code": code, "isDefault": code == coded[-1], "compositional": False} for code in coded]
    return {"uri": url, **({"version": told} if told else {}), "subsumption": any(versions.values())}


def _operations() -> Json:
    """What the operations that are registered can do."""
    expand = _operation("expand", VALUE_SET)
    told: Json = {}
    if expand is not None:
        told["expansion"] = {
            "hierarchical": True,
            "paging": "offset" in _taken(expand),
            "incomplete": False,
            "parameter": [{"name": name} for name in _taken(expand)],
            "textFilter": TEXT_FILTER,
        }
    told["codeSearch"] = "explicit"
    if _operation("validate-code", VALUE_SET) is not None:
        told["validateCode"] = {"translations": True}
    if _operation("translate", CONCEPT_MAP) is not None:
        told["translation"] = {"needsMap": False}
    if _operation("closure", CONCEPT_MAP) is not None:
        told["closure"] = {"translation": False}
    return told


def _operation(name: str, type_name: str) -> Operation | None:
    return next((one for one in OPERATIONS.get(name, ()) if one.is_for(type_name)), None)


def _taken(operation: Operation) -> Sequence[str]:
    """The parameters that an operation takes."""
    return [name for name in operation.definition.inputs if name not in operation.refused]


@cache
def _official() -> tuple[Named, ...]:
    """R4's own code systems whose codes are known."""
    bodies = (whole(url) or {} for url in terminology(CODE_SYSTEM))
    return tuple(
        Named(body["url"], str(body.get("version", "")), "hierarchyMeaning" in body)
        for body in bodies
        if body["content"] not in ABSENT
    )
