"""What of R4's search works: each parameter type with each modifier and prefix, the special and the result parameters.

The rows come from the tables that the search itself reads; an example stands beside each, and asking it tells.

Spec: FHIR R4, hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from healix_fhir.interaction.trail.asked import read as of_the_trail
from healix_fhir.kernel.audit import AUDIT_EVENT
from healix_fhir.model.definitions import TYPES, SearchParameter, search_parameters
from healix_fhir.search.asked import MODIFIERS
from healix_fhir.search.controls import CONTROLS, EDGE, REFUSED
from healix_fhir.search.nodes import Prefix
from healix_fhir.search.query import parse
from healix_fhir.search.searched import Searched, everything, one_type, within
from healix_fhir.server.features.feature import Feature, ask

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
NEAR = "51.5|-0.1|10|km"
EXAMPLES = {
    "composite": ("Observation", "code-value-quantity", "http://loinc.org|8867-4$gt60"),
    "date": ("Observation", "date", "2024-05"),
    "number": ("RiskAssessment", "probability", "0.5"),
    "quantity": ("Observation", "value-quantity", "72|http://unitsofmeasure.org|/min"),
    "reference": ("Observation", "subject", "Patient/1"),
    "special": ("Location", "near", NEAR),
    "string": ("Patient", "family", "byron"),
    "token": ("Observation", "code", "http://loinc.org|8867-4"),
    "uri": ("ValueSet", "url", "http://example.org/vs"),
}
"""A search by a parameter of each type."""

SPECIAL = {
    ("token", "of-type"): ("Patient", "identifier", "http://example.org|MR|1"),
    ("reference", "identifier"): ("Observation", "subject", "http://example.org|1"),
    ("reference", "above"): ("Location", "partof", "Location/1"),
    ("reference", "below"): ("Location", "partof", "Location/1"),
    ("token", "above"): ("Condition", "clinical-status", f"{CLINICAL}|recurrence"),
    ("token", "below"): ("Condition", "clinical-status", f"{CLINICAL}|active"),
    ("token", "in"): ("Observation", "status", "http://hl7.org/fhir/ValueSet/observation-status"),
    ("token", "not-in"): ("Observation", "status", "http://hl7.org/fhir/ValueSet/observation-status"),
}
"""Where a modifier needs another example."""

PREFIXED = ("date", "number", "quantity")
EVERY_TYPE = {
    "_id": "1", "_lastUpdated": "gt2024-01-01", "_profile": "http://example.org/p", "_security": "http://example.org|R",
    "_source": "http://example.org/s", "_tag": "http://example.org|t",
}  # fmt: skip
SPECIAL_PARAMETERS = {
    "_content": "fever", "_filter": "birthdate gt 2000-01-01", "_has:Observation:patient:code": "8867-4",
    "_has:Observation:patient:_has:Provenance:target:agent": "1", "_list": "1", "_query": "named", "_text": "fever",
    "general-practitioner.name": "smith", "general-practitioner:Practitioner.name": "smith",
    "organization.partof.name": "clinic",
}  # fmt: skip
RESULT = {
    "_contained": "true", "_containedType": "contained",
    "_count": "10", "_elements": "name", "_explain": "true", "_format": "json", "_include": "Patient:organization",
    "_include:iterate": "Patient:organization", "_include:recurse": "Patient:organization", "_pretty": "true",
    "_revinclude": "Observation:patient", "_revinclude:iterate": "Observation:patient",
    "_revinclude:recurse": "Observation:patient", "_sort": "family,-birthdate", "_summary": "true",
    "_total": "accurate", "_type": "Patient",
}  # fmt: skip


def features() -> Iterator[Feature]:
    """Every row."""
    yield from _modifiers()
    yield from _prefixes()
    for name, value in EVERY_TYPE.items():
        yield _search("Parameters of every type", name, one_type("Patient"), name, value)
    assert REFUSED.keys() <= SPECIAL_PARAMETERS.keys()
    for name, value in SPECIAL_PARAMETERS.items():
        yield _search("Special parameters", name, one_type("Patient"), name, value)
    for name in sorted((CONTROLS.keys() | EDGE) - {"_cursor"}):
        yield _search("Result parameters", name, one_type("Patient"), name, RESULT[name])
    for name, value in (("_include", "*"), ("_revinclude", "*"), ("_summary", "text"), ("_summary", "data")):
        yield _search("Result parameters", f"{name}={value}", one_type("Patient"), name, value)
    yield _search("Where a search looks", "one type", one_type("Patient"), "_id", "1")
    yield _search("Where a search looks", "every type", everything(), "_lastUpdated", "gt2024-01-01")
    yield _search("Where a search looks", "a compartment", within("Patient", "1", "Observation"), "code", "8867-4")
    yield _search("Where a search looks", "all of a compartment", within("Patient", "1", "*"), "_lastUpdated", "2024")
    yield from _parameters()


def _modifiers() -> Iterator[Feature]:
    for type_, modifiers in MODIFIERS.items():
        for modifier in ("", *sorted(modifiers), *(("Patient",) if type_ == "reference" else ())):
            type_name, code, value = SPECIAL.get((type_, modifier), EXAMPLES[type_])
            if modifier == "missing":
                value = "true"
            elif modifier == "Patient":
                value = "1"
            name = f"{code}:{modifier}" if modifier else code
            shown = f"{type_}:[type]" if modifier == "Patient" else f"{type_}:{modifier}" if modifier else type_
            yield _search("Parameter types and modifiers", shown, one_type(type_name), name, value)


def _prefixes() -> Iterator[Feature]:
    for type_ in PREFIXED:
        type_name, code, value = EXAMPLES[type_]
        for prefix in Prefix:
            given = f"{prefix.value}{value}"
            yield _search("Prefixes", f"{type_} {prefix.value}", one_type(type_name), code, given)


def _parameters() -> Iterator[Feature]:
    """The parameters of single types that cannot be asked for; all others can."""
    for type_name in TYPES:
        for parameter in search_parameters(type_name).values():
            name = f"{type_name} {parameter.code}"
            row = _search("Parameters of one type", name, one_type(type_name), parameter.code, _value(parameter))
            if not row.works or parameter.type not in EXAMPLES:
                yield row


def _value(parameter: SearchParameter) -> str:
    if parameter.type == "composite":
        return "$".join(EXAMPLES[component.type][2] for component in parameter.components)
    return NEAR if parameter.type not in EXAMPLES else EXAMPLES[parameter.type][2]


def _search(area: str, name: str, searched: Searched, parameter: str, value: str) -> Feature:
    address = f"{searched.path}?{quote(parameter, safe=':')}={quote(value, safe='|$')}"
    asked = [(parameter, value)]
    if searched.types == (AUDIT_EVENT,):
        return ask(area, name, ("GET", address), lambda: of_the_trail(searched, asked, strict=True, base=""))
    return ask(area, name, ("GET", address), lambda: parse(searched, asked, strict=True))
