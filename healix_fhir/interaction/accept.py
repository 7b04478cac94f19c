"""Take a resource in: from the caller's bytes to a change that can be stored.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#create, #update
"""

from __future__ import annotations

from typing import Any

from healix_fhir.interaction import calendars, documents
from healix_fhir.kernel.errors import Category, HealixError, invalid, not_found
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.kernel.in_step import Stages, whole
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.search_parameter import Defined
from healix_fhir.model.subset import is_subsetted
from healix_fhir.model.validate import check
from healix_fhir.search import consent_rules
from healix_fhir.search.defining import defined
from healix_fhir.search.extract import extracting
from healix_fhir.store.define_parameters import TYPE as SEARCH_PARAMETER
from healix_fhir.store.index import IndexRows
from healix_fhir.store.stored import Change, Method

CONSENT = "Consent"
BUNDLE = "Bundle"


def known_type(type_name: str) -> None:
    """Raise NotFound for what is no R4 resource type."""
    if type_name not in TYPE_ID:
        raise not_found(f"there is no resource type {type_name[:64]} in FHIR R4")


def known_id(type_name: str, id_: str) -> None:
    """Raise NotFound for a type or an id that cannot exist."""
    known_type(type_name)
    if not is_logical_id(id_):
        raise not_found(f"{type_name}/{id_[:64]} does not exist")


def of_type(resource: dict[str, Any], type_name: str) -> None:
    """Raise Invalid unless `resource` says that it is of `type_name`."""
    found = resource.get("resourceType")
    if found != type_name:
        shown = f"'{found[:64]}'" if isinstance(found, str) else "missing"
        raise invalid(f"resourceType must be '{type_name}' here, it is {shown}", expression=(type_name,))


def with_id(resource: dict[str, Any], id_: str) -> None:
    """Raise Invalid unless the body of an update carries the id of its URL."""
    found = resource.get("id")
    if found is None:
        raise invalid("an update needs the resource's id in its body", code="required", expression=("Resource.id",))
    if found != id_:
        raise invalid("the id in the body is not the id in the URL", code="value", expression=("Resource.id",))


def body_id(resource: dict[str, Any]) -> str | None:
    """The id in the body of a conditional update, which may go without. Raises Invalid for what is no id."""
    found = resource.get("id")
    if found is not None and not (isinstance(found, str) and is_logical_id(found)):
        raise invalid("an id has 1 to 64 letters, digits, '-' and '.'", code="value", expression=("Resource.id",))
    return found


def change(
    method: Method,
    resource: dict[str, Any],
    type_name: str,
    id_: str,
    bases: tuple[str, ...],
    if_match: int | None = None,
) -> Change:
    """The change that stores `resource` (of the right type) under `id_`. Raises Invalid with every issue found, or
    Unprocessable for an update with a part of a resource, and for a search parameter or a Consent that cannot be used.
    """
    return whole(changing(method, resource, type_name, id_, bases, if_match))


def changing(
    method: Method,
    resource: dict[str, Any],
    type_name: str,
    id_: str,
    bases: tuple[str, ...],
    if_match: int | None = None,
) -> Stages[Change]:
    """Make such a change in stages: the resource is checked, then indexed."""
    resource["id"] = id_
    check(resource, type_name)
    if method is Method.PUT and is_subsetted(resource):
        raise HealixError(
            Category.UNPROCESSABLE, "the resource is tagged SUBSETTED: a part of it must not replace the whole"
        )
    if type_name == BUNDLE:
        documents.check(resource)
    yield
    rows = yield from indexing(resource, type_name, bases)
    return Change(method, type_name, id_, resource, rows, if_match, defines=definitions_of(resource, type_name))


def indexed(resource: dict[str, Any], type_name: str, bases: tuple[str, ...]) -> IndexRows:
    """The index rows of a valid resource. Raises Unprocessable for a privacy Consent that could not be kept to, and
    for what would make calendars unreliable.
    """
    return whole(indexing(resource, type_name, bases))


def indexing(resource: dict[str, Any], type_name: str, bases: tuple[str, ...]) -> Stages[IndexRows]:
    """Make such index rows in the stages of `search.extract`."""
    if type_name == CONSENT:
        consent_rules.check(resource, bases)
    elif type_name in calendars.CHECKS:
        calendars.localize(resource, bases)
        calendars.CHECKS[type_name](resource)
    return (yield from extracting(resource, type_name, bases))


def definitions_of(resource: dict[str, Any], type_name: str) -> tuple[Defined, ...]:
    """The search parameters that a valid resource defines. Raises Unprocessable for one that cannot be used."""
    return defined(resource) if type_name == SEARCH_PARAMETER else ()
