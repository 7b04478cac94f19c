"""One search parameter as it was asked for, before its value is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from healix_fhir.kernel.errors import HealixError, invalid, unsupported
from healix_fhir.model.definitions import SearchParameter

MODIFIERS: Mapping[str, frozenset[str]] = {
    "date": frozenset({"missing"}),
    "reference": frozenset({"above", "below", "identifier", "missing"}),
    "string": frozenset({"contains", "exact", "missing"}),
    "token": frozenset({"above", "below", "in", "missing", "not", "not-in", "of-type", "text"}),
    "uri": frozenset({"above", "below", "missing"}),
}
"""Every modifier of R4 by parameter type; a reference also takes a resource type.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#modifiers
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A parameter of `type_name` with its modifier (empty: none); `bases` are this server's FHIR base URLs."""

    type_name: str
    parameter: SearchParameter
    modifier: str
    bases: tuple[str, ...]

    @property
    def name(self) -> str:
        """The parameter as written."""
        return f"{self.parameter.code}:{self.modifier}" if self.modifier else self.parameter.code

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
