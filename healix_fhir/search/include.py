"""Reading `_include` and `_revinclude`.

`Type:param` or `Type:param:Target`, `*` for every reference of the type searched, `Type:*` for every reference of a
type; with `:iterate` (once `:recurse`) also over what was included.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#include, #revinclude
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.custom import current, derived, is_custom
from healix_fhir.model.definitions import TYPE_ID, TYPES, SearchParameter, search_parameters
from healix_fhir.search.index_facts import Pointing, pointing
from healix_fhir.search.params.indexed import is_indexed
from healix_fhir.search.unknown import no_reference

ANY = "*"
ITERATE = ("iterate", "recurse")


@dataclass(frozen=True, slots=True)
class Include:
    """References to follow: forward, or, `reverse`, back from what they refer to.

    `params` are their parameters (none: every reference), `targets` the types they may refer to (none: every type).
    `iterate`: from what was included too. `by_url`: some of them are canonical.
    """

    params: tuple[int, ...]
    targets: tuple[str, ...] = ()
    reverse: bool = False
    iterate: bool = False
    by_url: bool = True


def read_include(name: str, value: str, types: Sequence[str], *, reverse: bool) -> Include:
    """The include that `name` (with its modifier) asks for, in a search of `types`."""
    base, _, modifier = name.partition(":")
    if modifier and modifier not in ITERATE:
        raise invalid(f"{name[:50]}: ':{modifier[:50]}' is no modifier of {base}; :iterate is", code="value")
    iterate = bool(modifier)
    if value == ANY:
        params = _pointing_to(tuple(types)) if reverse and not iterate else ()
        return Include(params or (_all() if reverse else ()), (), reverse, iterate)
    source, _, rest = value.partition(":")
    code, _, target = rest.partition(":")
    if source not in TYPE_ID:
        raise invalid(f"{name}: '{source[:100]}' is not a resource type; it takes Type:parameter", code="value")
    if target and target not in TYPE_ID:
        raise invalid(f"{name}: '{target[:100]}' is not a resource type", code="value")
    if not (reverse or iterate or source in types):
        raise _elsewhere(name, value, types)
    parameters = _named(name, source, code)
    if reverse and not iterate:
        parameters = [one for one in parameters if not one.targets or set(one.targets) & set(types)]
        if not parameters or (target and target not in types):
            raise _elsewhere(name, value, types)
    by_url = any(Pointing.URL in pointing(source, one) for one in parameters)
    return Include(tuple(one.id for one in parameters), (target,) if target else (), reverse, iterate, by_url)


def _elsewhere(name: str, value: str, types: Sequence[str]) -> HealixError:
    some = types[0] if len(types) == 1 else "the types"
    way = "refers to" if name.startswith("_rev") else "starts from"
    return invalid(f"{name}: nothing of '{value[:100]}' {way} {some} searched for", code="value")


def _named(name: str, source: str, code: str) -> list[SearchParameter]:
    if code == ANY:
        return _references(source)
    parameter = search_parameters(source).get(code)
    if parameter is None or parameter.type != "reference":
        raise no_reference(name, source, code)
    return [parameter]


def _references(type_name: str) -> list[SearchParameter]:
    return [one for one in search_parameters(type_name).values() if one.type == "reference" and is_indexed(one)]


@derived
def _all() -> tuple[int, ...]:
    return tuple(parameter.id for name in TYPES for parameter in _references(name))


def custom_references() -> tuple[int, ...]:
    """The custom parameters among those of every reference; rows of others, that are gone or not whole, may be left."""
    return tuple(number for number in _all() if is_custom(number)) if current().searchable else ()


@derived
def _pointing_to(types: tuple[str, ...]) -> tuple[int, ...]:
    """Every parameter that may refer to one of the types."""
    return tuple(
        parameter.id
        for name in TYPES
        for parameter in _references(name)
        if not parameter.targets or set(parameter.targets) & set(types)
    )
