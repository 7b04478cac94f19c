"""The functions of FHIRPath that are compiled; each gets the compiler in whose focus it stands, and its call.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#functions; FHIR R4, hl7.org/fhir/R4/fhirpath.html#functions
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from healix_fhir.kernel.errors import unsupported
from healix_fhir.model.fhirpath.branch import RESOLVED, Branch, Stage, computed, gather
from healix_fhir.model.fhirpath.operators import truth
from healix_fhir.model.fhirpath.tree import Binary, Call, Literal, Member, Node, This

if TYPE_CHECKING:
    from healix_fhir.model.fhirpath.compiler import Compiler

Function: TypeAlias = "Callable[[Compiler, Call], tuple[Branch, ...]]"


def _arguments(call: Call, least: int, most: int) -> tuple[Node, ...]:
    if not least <= len(call.arguments) <= most:
        raise unsupported(f"FHIRPath: {call.function}() does not take {len(call.arguments)} arguments")
    return call.arguments


def _where(compiler: Compiler, call: Call) -> tuple[Branch, ...]:
    (criterion,) = _arguments(call, 1, 1)
    return tuple(branch.then(_filter(compiler.within(branch), criterion)) for branch in compiler.branches(call.base))


def _filter(compiler: Compiler, criterion: Node) -> Stage:
    match criterion:
        case Binary("=", Member(This(), name), Literal("String", wanted)):
            if [branch.steps for branch in compiler.branches(criterion.left)] == [(name,)]:
                return lambda items: [item for item in items if item.get(name) == wanted]
        case _:
            pass
    holds = gather(compiler.branches(criterion))
    return lambda items: [item for item in items if truth(holds([item]))]


def _exists(compiler: Compiler, call: Call) -> tuple[Branch, ...]:
    criteria = _arguments(call, 0, 1)
    base = Call(call.base, "where", criteria) if criteria else call.base
    branches = compiler.branches(base)
    if not branches:
        return ()
    found = gather(branches)
    return computed("boolean", lambda items: [bool(found(items))])


def _empty(compiler: Compiler, call: Call) -> tuple[Branch, ...]:
    _arguments(call, 0, 0)
    branches = compiler.branches(call.base)
    if not branches:
        return ()
    found = gather(branches)
    return computed("boolean", lambda items: [not found(items)])


def _not(compiler: Compiler, call: Call) -> tuple[Branch, ...]:
    _arguments(call, 0, 0)
    branches = compiler.branches(call.base)
    if not branches:
        return ()
    found = gather(branches)

    def run(items: list[object]) -> list[object]:
        answer = truth(found(items))
        return [] if answer is None else [not answer]

    return computed("boolean", run)


def _first(compiler: Compiler, call: Call) -> tuple[Branch, ...]:
    _arguments(call, 0, 0)
    return tuple(branch.then(lambda items: items[:1]) for branch in compiler.single(call.base, "first()"))


def _extension(compiler: Compiler, call: Call) -> tuple[Branch, ...]:
    (url,) = _arguments(call, 1, 1)
    return compiler.branches(Call(Member(call.base, "extension"), "where", (Binary("=", Member(This(), "url"), url),)))


def _resolve(compiler: Compiler, call: Call) -> tuple[Branch, ...]:
    """Only the type of the target is known, from the reference itself: no other resource is read."""
    _arguments(call, 0, 0)
    return tuple(
        Branch(RESOLVED, RESOLVED, branch.steps)
        for branch in compiler.branches(call.base)
        if branch.type == "Reference"
    )


FUNCTIONS: Mapping[str, Function] = {
    "empty": _empty,
    "exists": _exists,
    "extension": _extension,
    "first": _first,
    "not": _not,
    "resolve": _resolve,
    "where": _where,
}
"""The functions that are supported, beside `is`, `as` and `ofType`, which the parser knows."""
