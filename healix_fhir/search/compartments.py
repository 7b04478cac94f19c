"""The patients whose compartments a resource is in.

A resource is in the compartment of each local Patient that one of its type's linking parameters refers to
(`PATIENT_COMPARTMENT`), and a Patient in its own. The first one is the patient whom the resource is about. A Binary
is where its `securityContext` says, if that is a Patient. A reference by identifier only, or into another server,
opens no compartment.

Spec: FHIR R4, hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from __future__ import annotations

from typing import Any

from healix_fhir.model.definitions import PATIENT_COMPARTMENT, TYPE_ID, search_parameters
from healix_fhir.search.params.collector import Collector, Emit
from healix_fhir.search.params.reference import target

PATIENT = TYPE_ID["Patient"]
OWN = "{def}"
ABOUT = ("patient", "subject", "beneficiary")
"""Parameters that name whom a resource is about, ahead of those that name who took part."""


def links(type_name: str) -> tuple[tuple[str, int], ...]:
    """The FHIRPath expressions of the parameters that link `type_name` to patients, each with its rank, 0 first."""
    codes = PATIENT_COMPARTMENT.get(type_name, ())
    ranked = [code for code in ABOUT if code in codes] + [code for code in codes if code not in ABOUT]
    return tuple((_expression(type_name, code), rank) for rank, code in enumerate(ranked) if code != OWN)


def _expression(type_name: str, code: str) -> str:
    parameter = search_parameters(type_name).get(code)
    return f"{type_name}.{code}" if parameter is None else parameter.expression


def emitter(rank: int) -> Emit:
    """What adds the patients that References point to."""

    def emit(items: list[Any], rows: Collector) -> None:
        for value in items:
            literal = value.get("reference")
            if literal is not None:
                found = target(literal, rows.bases)
                if found is not None and found[0] == PATIENT:
                    rows.patients.append((rank, found[1]))

    return emit


def patients(resource: dict[str, Any], type_name: str, found: list[tuple[int, str]]) -> tuple[str, ...]:
    """The logical ids of the patients, each once, by rank and then by their order in the resource."""
    if type_name == "Patient":
        return (resource["id"],) if "id" in resource else ()
    if len(found) == 1:
        return (found[0][1],)
    found.sort(key=lambda pair: pair[0])
    return tuple(dict.fromkeys(id_ for _, id_ in found))
