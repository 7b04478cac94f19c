"""Compiled FHIRPath expressions over the parsed JSON of a resource: the entry of this package.

Expressions are compiled on first use and kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.fhirpath.branch import Branch, link
from healix_fhir.model.fhirpath.compiler import Compiler
from healix_fhir.model.fhirpath.lexer import refused
from healix_fhir.model.fhirpath.parser import parse
from healix_fhir.model.fhirpath.types import ABSTRACT

Typed: TypeAlias = tuple[str, Any]
"""A FHIR type and a value of it."""


@lru_cache(maxsize=4096)
def compile_branches(expression: str, type_name: str) -> tuple[Branch, ...]:
    """The typed branches of `expression` in a resource (or data type) `type_name`.

    Empty when it is about another type. Raises Invalid for what is no FHIRPath, Unsupported for what is not compiled.
    """
    tree = parse(expression)
    try:
        return Compiler(Branch(type_name, type_name)).branches(tree)
    except HealixError as error:
        raise refused(expression, error) from error


@lru_cache(maxsize=4096)
def compile_path(expression: str, type_name: str) -> Callable[[dict[str, Any]], list[Typed]]:
    """The function that evaluates `expression` on a resource of `type_name`; it returns typed values.

    A value that several arms of a union reach is returned once. Raises as `compile_branches` does.
    """
    stages = [(branch.type, link(branch.steps)) for branch in compile_branches(expression, type_name)]

    def evaluate(resource: dict[str, Any]) -> list[Typed]:
        focus = [resource]
        found: list[Typed] = []
        for named, stage in stages:
            for value in stage(focus):
                typed = (value["resourceType"] if named in ABSTRACT else named, value)
                if len(stages) == 1 or typed not in found:
                    found.append(typed)
        return found

    return evaluate
