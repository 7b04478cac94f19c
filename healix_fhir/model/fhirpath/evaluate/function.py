"""What a function of FHIRPath is to the compiler, and the forms that most functions have.

A builder gets the compiled input and the arguments and returns the compiled call. An argument is evaluated with the
`$this` around the call, unless the specification has it evaluated for each item.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from healix_fhir.model.fhirpath import tree
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, Items
from healix_fhir.model.fhirpath.evaluate.scope import Run, Scope, single
from healix_fhir.model.fhirpath.evaluate.system import Value, collection, text, value_of


class Argument(NamedTuple):
    """One argument of a call: compiled, as a tree, and what one evaluation of it costs."""

    run: Run
    tree: tree.Node
    cost: int


Arguments: TypeAlias = tuple[Argument, ...]
Builder: TypeAlias = Callable[[Run, Arguments], Run]


class Function(NamedTuple):
    """A function: how many arguments it takes, and what builds a call of it."""

    least: int
    most: int
    build: Builder


def on_items(function: Callable[[Items, Scope], Items]) -> Function:
    """A function without arguments, of the whole collection."""

    def build(base: Run, _arguments: Arguments) -> Run:
        return lambda scope: function(base(scope), scope)

    return Function(0, 0, build)


def on_both(function: Callable[[Items, Items, Scope], Items]) -> Function:
    """A function of the collection and of another one."""

    def build(base: Run, arguments: Arguments) -> Run:
        (other,) = arguments
        return lambda scope: function(base(scope), other.run(scope), scope)

    return Function(1, 1, build)


def on_value(name: str, function: Callable[[Value], Value | None]) -> Function:
    """A function without arguments, of the one System value of the collection; empty for none."""

    def build(base: Run, _arguments: Arguments) -> Run:
        def run(scope: Scope) -> Items:
            node = single(base(scope), f"the input of {name}()")
            value = None if node is None else value_of(node)
            scope.evaluation.spend_on(value)
            return EMPTY if value is None else collection(function(value))

        return run

    return Function(0, 0, build)


def on_text(name: str, count: int, function: Callable[..., Value | None]) -> Function:
    """A function of the one string of the collection and of `count` strings; empty where one of them is."""

    def build(base: Run, arguments: Arguments) -> Run:
        def run(scope: Scope) -> Items:
            subject = text(base(scope), f"the input of {name}()")
            others = [text(argument.run(scope), f"an argument of {name}()") for argument in arguments]
            if subject is None or None in others:
                return EMPTY
            scope.evaluation.spend_on(subject)
            result = function(subject, *others)
            scope.evaluation.spend_on(result)
            return collection(result)

        return run

    return Function(count, count, build)
