"""The tree of a FHIRPath expression, as the parser makes it and the compiler reads it.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#grammar
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. `type` is its FHIRPath type: Boolean, String, Integer, Decimal, Date, Quantity; None is `{}`."""

    type: str | None
    value: bool | int | str | Decimal | None


@dataclass(frozen=True, slots=True)
class This:
    """The item that a criterion looks at; at the start of an expression, the resource."""


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable (`%resource`) or special variable (`$index`), with its mark."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """`base.name`: the children of that name."""

    base: Node
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """`base[position]`."""

    base: Node
    position: Node


@dataclass(frozen=True, slots=True)
class Call:
    """`base.function(arguments)`."""

    base: Node
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`, the operator as it is written."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Unary:
    """`+operand` or `-operand`."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`operand is type` or `operand as type`; `type` without its namespace."""

    operator: str
    operand: Node
    type: str


Node: TypeAlias = Literal | This | Variable | Member | Index | Call | Binary | Unary | TypeTest
