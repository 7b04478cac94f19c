"""Codes by which a type cannot be searched: because it has no such parameter, or because it is not whole yet.

A custom parameter can be searched by when every resource is indexed by it; until then a search says so.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#errors
"""

from __future__ import annotations

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.custom import current


class UnknownParameterError(Exception):
    """The resource type has no parameter of that name: reported, and under strict handling refused."""


def is_pending(type_name: str, code: str) -> bool:
    """Whether a custom parameter is not in the index rows of all resources yet."""
    return code in current().pending.get(type_name, ())


def unknown(type_name: str, name: str) -> UnknownParameterError:
    """What is said of a code, with or without a modifier, by which a type cannot be searched."""
    code = name.partition(":")[0]
    if is_pending(type_name, code):
        return UnknownParameterError(f"the search parameter '{code}' of {type_name} is defined, but not yet indexed")
    return UnknownParameterError(f"{type_name} has no search parameter '{name[:100]}'")


def no_reference(name: str, type_name: str, code: str) -> HealixError | UnknownParameterError:
    """What is said of a code that is no reference parameter of a type, where there must be one."""
    if is_pending(type_name, code):
        return UnknownParameterError(f"{name}: {unknown(type_name, code)}")
    return invalid(f"{name}: {type_name} has no reference parameter '{code[:100]}'", code="value")
