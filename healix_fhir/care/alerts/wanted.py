"""Which Observations a rule asks for: the DataRequirements of its triggers and inputs.

Spec: FHIR R4, hl7.org/fhir/R4/metadatatypes.html#DataRequirement
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from healix_fhir.care.alerts.rule import Code, Input
from healix_fhir.care.alerts.span import duration
from healix_fhir.kernel.errors import invalid

Json = dict[str, Any]
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}")
TAKEN = frozenset({"context", "resource", "rootResource", "sct", "loinc", "ucum"})
"""Names that FHIRPath has given away."""
EFFECTIVE = ("date", "effective", "effectiveDateTime", "Observation.effective")
CODES = 50


def only(element: Mapping[str, Any], known: Collection[str], at: str) -> None:
    """Raise Invalid for what an element has beyond what is `known`."""
    for name in element:
        if name not in known and name.removeprefix("_") not in known:
            raise invalid(f"{at}.{name} is not understood")


def codes_of(data: Json, at: str, known: Collection[str]) -> list[Code]:
    """The codes of the Observations that a requirement asks for."""
    only(data, known, at)
    if data.get("type") != "Observation":
        raise invalid(f"{at}.type must be Observation")
    filters = data.get("codeFilter", ())
    if len(filters) != 1:
        raise invalid(f"{at} must have one codeFilter")
    only(filters[0], frozenset({"id", "extension", "path", "code"}), f"{at}.codeFilter[0]")
    if filters[0].get("path") not in ("code", "Observation.code"):
        raise invalid(f"{at}.codeFilter[0].path must be code")
    codes = [(one.get("system"), one["code"]) for one in filters[0].get("code", ()) if "code" in one]
    if not 1 <= len(codes) <= CODES:
        raise invalid(f"{at}.codeFilter[0] must have 1 to {CODES} codes")
    return codes


def input_of(data: Json, at: str) -> Input:
    """The Observations of a time before, which expressions name as `%` and the id of the requirement."""
    codes = codes_of(data, at, frozenset({"id", "extension", "type", "codeFilter", "dateFilter"}))
    name = data.get("id", "")
    if not NAME.fullmatch(name) or name in TAKEN:
        raise invalid(f"{at}.id must be a name of letters and digits, by which expressions call it")
    dates = data.get("dateFilter", ())
    if len(dates) != 1 or dates[0].get("path") not in EFFECTIVE or "valueDuration" not in dates[0]:
        raise invalid(f"{at} must have one dateFilter with path effective and valueDuration")
    only(dates[0], frozenset({"id", "extension", "path", "valueDuration"}), f"{at}.dateFilter[0]")
    return Input(name, tuple(codes), duration(dates[0]["valueDuration"], f"{at}.dateFilter[0].valueDuration"))
