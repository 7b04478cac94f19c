"""What stands in a resource, as a reader would say it: names, concepts, addresses.

Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def concept(value: Json | None) -> str:
    """A CodeableConcept: its text, else the first display, else the first code."""
    if not value:
        return ""
    codings = value.get("coding", ())
    displays = (one[key] for key in ("display", "code") for one in codings if one.get(key))
    return str(value.get("text") or next(displays, ""))


def code(value: Json | None) -> str:
    """The first code of a CodeableConcept."""
    return str(next((one["code"] for one in (value or {}).get("coding", ()) if "code" in one), ""))


def concepts(values: list[Json] | None) -> str:
    """Several CodeableConcepts."""
    return ", ".join(filter(None, map(concept, values or ())))


def name(names: list[Json] | None) -> str:
    """The HumanName that is used, else the first."""
    found = [one for one in names or () if one.get("use") != "old"] or list(names or ())
    if not found:
        return ""
    one = next((each for each in found if each.get("use") in ("official", "usual")), found[0])
    parts = [*one.get("prefix", ()), *one.get("given", ()), one.get("family"), *one.get("suffix", ())]
    return str(one.get("text") or " ".join(filter(None, parts)))


def identifier(identifiers: list[Json] | None) -> str:
    """The value of the Identifier that is used, else of the first with a value."""
    found = [one for one in identifiers or () if one.get("value") and one.get("use") != "old"]
    official = [one for one in found if one.get("use") == "official"]
    return str((official or found)[0]["value"]) if found else ""


def address(addresses: list[Json] | None) -> str:
    """The first Address that is no old one."""
    found = next((one for one in addresses or () if one.get("use") != "old"), None)
    if found is None:
        return ""
    place = " ".join(filter(None, (found.get("postalCode"), found.get("city"))))
    parts = [*found.get("line", ()), place, found.get("state"), found.get("country")]
    return str(found.get("text") or ", ".join(filter(None, parts)))


def telecom(points: list[Json] | None) -> str:
    """The ContactPoints that are used."""
    return ", ".join(str(one["value"]) for one in (points or ())[:4] if one.get("value") and one.get("use") != "old")


def reference(value: Json | None, known: Mapping[str, Json], within: Json | None = None) -> str:
    """What a Reference leads to: its display, else the name of the resource among `known` or contained in `within`."""
    if not value:
        return ""
    if value.get("display"):
        return str(value["display"])
    target = str(value.get("reference", ""))
    contained = (within or {}).get("contained", ())
    found = next((one for one in contained if f"#{one.get('id')}" == target), None) or known.get(target)
    return resource(found) if found else ""


def resource(value: Json) -> str:
    """What a resource is called."""
    named = value.get("name")
    if isinstance(named, list):
        return name(named)
    return str(named) if isinstance(named, str) else concept(value.get("code"))
