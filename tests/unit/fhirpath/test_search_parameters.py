"""Every search-parameter expression of R4 compiles, and reaches what it names."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.definitions import TYPES, search_parameters
from healix_fhir.model.fhirpath.path import compile_branches

REFUSED: set[str] = set()
"""Parameters whose expressions are not compiled, as `Type.code`. None in R4."""


@pytest.mark.parametrize("type_name", TYPES)
def test_every_parameter_compiles(type_name: str) -> None:
    """Each parameter's expression compiles to at least one typed path; those that do not are listed by name."""
    refused = set()
    for parameter in search_parameters(type_name).values():
        try:
            assert compile_branches(parameter.expression, type_name), parameter
        except HealixError:
            refused.add(f"{type_name}.{parameter.code}")
    assert refused == {name for name in REFUSED if name.startswith(f"{type_name}.")}
