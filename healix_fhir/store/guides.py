"""The implementation guides that installed packages bring, as the capability statement names them.

Spec: FHIR R4, hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.implementationGuide
"""

from __future__ import annotations

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.custom import Guides
from healix_fhir.model.definitions import TYPE_ID

_BASE = "http://hl7.org/fhir/StructureDefinition/"


def guides() -> Work[Guides]:
    """The guides, and the profiles by the resource type that they constrain, of all installed versions."""
    rows = yield Statement(
        """SELECT DISTINCT type, kind, url, version FROM definition
           WHERE type = 'ImplementationGuide' OR type = 'StructureDefinition' AND kind = ANY(%s::text[])
           ORDER BY 1, 2, 3, 4""",
        (list(TYPE_ID),),
    )
    named: list[str] = []
    profiles: dict[str, list[str]] = {}
    for type_, kind, url, version in rows:
        if type_ == "ImplementationGuide":
            named.append(f"{url}|{version}" if version else url)
        elif url != _BASE + kind:
            profiles.setdefault(kind, []).append(url)
    return Guides(tuple(named), {kind: tuple(dict.fromkeys(urls)) for kind, urls in profiles.items()})
