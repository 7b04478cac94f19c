"""The parameters of one call, as they were read: by name, each with its values in order.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html#request
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from healix_fhir.model.places import Pointer

Json = dict[str, Any]


class Argument(msgspec.Struct, frozen=True):
    """One value: a str, bool, int or Decimal of a primitive type, the JSON of any other type or of a resource.

    A parameter that consists of parts has them as `value`, a `Given`. `place` leads to a resource in the body.
    """

    value: Any
    place: Pointer = ()


class Given(msgspec.Struct, frozen=True):
    """What a call gives; names, types and cardinalities are as declared.

    `further` are the parameters of a search, which operations that narrow one take beside their own.
    """

    arguments: Mapping[str, tuple[Argument, ...]] = {}
    further: tuple[tuple[str, str], ...] = ()

    def __contains__(self, name: str) -> bool:
        return name in self.arguments

    def all(self, name: str) -> list[Any]:
        """The values of a parameter."""
        return [argument.value for argument in self.arguments.get(name, ())]

    def one(self, name: str) -> Any:
        """The value of a parameter that stands once; None without it."""
        return next(iter(self.all(name)), None)

    def text(self, name: str) -> str | None:
        """The value of a parameter of a textual type."""
        value: str | None = self.one(name)
        return value

    def texts(self, name: str) -> list[str]:
        """The values of a parameter of a textual type, those of a list with commas singly."""
        return [part for value in self.all(name) for part in value.split(",") if part]

    def flag(self, name: str, default: bool = False) -> bool:
        """The value of a boolean parameter."""
        return bool(self.one(name)) if name in self else default

    def number(self, name: str) -> int | None:
        """The value of a parameter that is a whole number."""
        value: int | None = self.one(name)
        return value

    def decimal(self, name: str) -> Decimal | None:
        """The value of a parameter that is a number."""
        value = self.one(name)
        return None if value is None else Decimal(value)

    def json(self, name: str) -> Json | None:
        """The JSON of a parameter that is a resource or of a complex type."""
        value: Json | None = self.one(name)
        return value

    def place(self, name: str) -> Pointer:
        """Where in the body the value of a parameter is."""
        return next((argument.place for argument in self.arguments.get(name, ())), ())

    def parts(self, name: str) -> list[Given]:
        """The values of a parameter that consists of parts."""
        return self.all(name)
