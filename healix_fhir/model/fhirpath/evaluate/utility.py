"""Utility functions: iif, trace and the current time.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#utility-functions
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.fhirpath.evaluate import moment
from healix_fhir.model.fhirpath.evaluate.filtering import project
from healix_fhir.model.fhirpath.evaluate.function import Arguments, Function
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, Items
from healix_fhir.model.fhirpath.evaluate.scope import Run, Scope, several
from healix_fhir.model.fhirpath.evaluate.system import collection, text


def _iif(base: Run, arguments: Arguments) -> Run:
    """Only the branch that is taken is evaluated; `$this` is the input."""

    def run(scope: Scope) -> Items:
        items = base(scope)
        if len(items) > 1:
            raise several("the input of iif()", items)
        inner = Scope(scope.evaluation, items, scope.index, scope.total)
        if _criterion(arguments[0].run(inner)):
            return arguments[1].run(inner)
        return arguments[2].run(inner) if len(arguments) > 2 else EMPTY

    return run


def _criterion(items: Items) -> bool:
    """A boolean, and nothing that might pass for one."""
    if not items:
        return False
    if len(items) > 1:
        raise several("the criterion of iif()", items)
    value = items[0].value
    if value is True or value is False:
        return value
    if items[0].type == "boolean":
        return False
    raise invalid(f"FHIRPath: the criterion of iif() is a boolean, not {items[0].type}")


def _trace(base: Run, arguments: Arguments) -> Run:
    def run(scope: Scope) -> Items:
        items = base(scope)
        trace = scope.evaluation.environment.trace
        if trace is not None:
            name = text(arguments[0].run(scope), "the name of trace()") or ""
            trace(name, project(items, arguments[1], scope) if len(arguments) > 1 else items)
        return items

    return run


def _clock(kind: str) -> Function:
    def build(_base: Run, _arguments: Arguments) -> Run:
        return lambda scope: collection(moment.of(kind, scope.evaluation.now))

    return Function(0, 0, build)


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "iif": Function(2, 3, _iif),
        "now": _clock("DateTime"),
        "timeOfDay": _clock("Time"),
        "today": _clock("Date"),
        "trace": Function(1, 2, _trace),
    }
)
