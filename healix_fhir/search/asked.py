"""One search parameter as it was asked for, before its value is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from healix_fhir.kernel.errors import HealixError, invalid, unsupported
from healix_fhir.model.definitions import SearchParameter

MODIFIERS: Mapping[str, frozenset[str]] = {
    "composite": frozenset({"missing"}),
    "date": frozenset({"missing"}),
    "number": frozenset({"missing"}),
    "quantity": frozenset({"missing"}),
    "reference": frozenset({"above", "below", "identifier", "missing", "text"}),
    "special": frozenset({"missing"}),
    "string": frozenset({"contains", "exact", "missing"}),
    "token": frozenset({"above", "below", "in", "missing", "not", "not-in", "of-type", "text"}),
    "uri": frozenset({"above", "below", "missing"}),
}
"""Every modifier of R4 by parameter type; a reference also takes a resource type.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#modifiers
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A parameter of `type_name` with its modifier (empty: none); `bases` are this server's FHIR base URLs.

    `code` is what the caller calls it, where that is not the parameter's own code (see search/unions).
    """

    type_name: str
    parameter: SearchParameter
    modifier: str
    bases: tuple[str, ...]
    code: str = ""

    @property
    def name(self) -> str:
        """The parameter as written."""
        code = self.code or self.parameter.code
        return f"{code}:{self.modifier}" if self.modifier else code

    def too_many(self, most: int) -> HealixError:
        """The refusal of too many alternatives."""
        return invalid(f"{self.name} takes at most {most} alternatives", code="too-costly")

    def bad_value(self, value: str, wanted: str) -> HealixError:
        """The refusal of a value that cannot be read."""
        return invalid(f"{self.name}: '{value[:100]}' is not {wanted}", code="value")

    def bad_modifier(self) -> HealixError:
        """The refusal of a modifier: by name where R4 has it, as unknown otherwise."""
        if self.modifier in MODIFIERS[self.parameter.type]:
            return unsupported(f"{self.name}: the modifier :{self.modifier} is not supported here")
        return invalid(
            f"{self.name}: ':{self.modifier[:50]}' is no modifier of a {self.parameter.type} parameter", code="value"
        )
