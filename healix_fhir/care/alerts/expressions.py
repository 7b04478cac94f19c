"""The conditions of rules: FHIRPath over the Observation that came, or the Patient, and what the inputs name.

Spec: FHIR R4, hl7.org/fhir/R4/metadatatypes.html#Expression; FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/
"""

from __future__ import annotations

import re
from typing import Any

from healix_fhir.care.alerts.condition import Condition, condition
from healix_fhir.care.alerts.wanted import TAKEN, only
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.fhirpath.engine import expression

FHIRPATH = "text/fhirpath"
LONGEST = 2000
STRING = re.compile(r"'(?:\\.|[^'\\])*'")
VARIABLE = re.compile(r"%`?([A-Za-z][A-Za-z0-9-]*)")


def expression_of(given: dict[str, Any], names: frozenset[str], focus: str, at: str) -> Condition:
    """The condition that an expression is. Raises Invalid for another language, or what `focus` or the inputs lack."""
    only(given, frozenset({"id", "extension", "description", "name", "language", "expression"}), f"{at}.expression")
    text = given.get("expression", "")
    if given.get("language") != FHIRPATH or not text or len(text) > LONGEST:
        raise invalid(f"{at}.expression must be in {FHIRPATH}, of at most {LONGEST} characters")
    for name in VARIABLE.findall(STRING.sub("", text)):
        if name not in names and name not in TAKEN and not name.startswith(("vs-", "ext-")):
            raise invalid(f"{at}.expression names %{name}, which no input has as its id")
    try:
        compiled = expression(text)
        compiled.check(focus)
    except HealixError as error:
        raise invalid(f"{at}.expression: {error.message}") from error
    return condition(compiled)
