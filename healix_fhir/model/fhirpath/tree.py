"""The tree of a FHIRPath expression, as the parser makes it and the compiler reads it.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#grammar
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. `type` is its FHIRPath type: Boolean, String, Integer, Decimal, Date, DateTime, Time, Quantity; None
    is `{}`. Dates, times and quantities are in the form in which FHIRPath writes them, without the `@`.
    """

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
    """`operand is type`, `operand as type` or `operand.ofType(type)`; `namespace` is FHIR, System or empty."""

    operator: str
    operand: Node
    type: str
    namespace: str = ""


Node: TypeAlias = Literal | This | Variable | Member | Index | Call | Binary | Unary | TypeTest


def operands(node: Node) -> tuple[Node, ...]:
    """The trees right below `node`."""
    match node:
        case Member(base):
            return (base,)
        case Index(base, position):
            return (base, position)
        case Call(base, _, arguments):
            return (base, *arguments)
        case Binary(_, left, right):
            return (left, right)
        case Unary(_, operand) | TypeTest(_, operand):
            return (operand,)
        case _:
            return ()


def size(node: Node) -> int:
    """How many nodes a tree has."""
    return sum(len(level) for level in levels(node))


def levels(node: Node) -> Iterator[list[Node]]:
    """The nodes of a tree level by level, without recursion: a tree may be deeper than the stack."""
    level = [node]
    while level:
        yield level
        level = [below for above in level for below in operands(above)]
