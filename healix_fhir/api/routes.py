"""The addresses of the FHIR API: a dozen for all types, the most used first.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#2.21.0.1
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from starlette.convertors import PathConvertor, StringConvertor, register_url_convertor
from starlette.routing import BaseRoute, Route

from healix_fhir.api import history, instance, search, system_level, type_level
from healix_fhir.api.address import Address, Edge
from healix_fhir.api.operation import CALLS, later, media, methods, operation
from healix_fhir.kernel.audit import AUDIT_EVENT


class Name(StringConvertor):
    """A segment that names an instance: no operation (`$`) and nothing of the API's own (`_`)."""

    regex = "[^/$_][^/]*"


class TypeName(StringConvertor):
    """A segment that names a type: nor `metadata`, nor what well-known addresses begin with.

    With it the routes of most requests can stand before all others: each route tried costs a request 0.6 µs.
    """

    regex = "(?!metadata(?:/|$))[^/$_.][^/]*"


class Rest(PathConvertor):
    """Whatever else is below the base, but for the discovery document that stands there."""

    regex = "(?![.]well-known/smart-configuration$).*"


register_url_convertor("name", Name())
register_url_convertor("type", TypeName())
register_url_convertor("rest", Rest())


def _of_type(path: Mapping[str, str]) -> Collection[str]:
    """The methods for resources of a type: AuditEvents are only read and searched."""
    return LOOKING if path.get("type") == AUDIT_EVENT else ALL


ALL = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
LOOKING = frozenset({"GET"})


def routes(edge: Edge) -> list[BaseRoute]:
    """The routes of one web process. Everything but `metadata` needs a token, also what is not there."""
    one = {"GET": instance.read, "PUT": instance.update, "PATCH": instance.patch, "DELETE": instance.delete}
    many = Address(
        "fhir.type",
        edge,
        {
            "GET": search.of_type,
            "POST": type_level.create,
            "PUT": type_level.update,
            "PATCH": type_level.patch,
            "DELETE": type_level.delete,
        },
        native=True,
        methods=_of_type,
    )
    whole = Address("fhir.bundle", edge, {"GET": search.of_everything, "POST": system_level.transact})
    inside = search.of_compartment
    compartment = Address("fhir.compartment", edge, {"POST": inside}, form=True, bodiless=True)
    past = Address("fhir.history", edge, {"GET": history.history})
    run = Address(
        "fhir.operation",
        edge,
        dict.fromkeys(CALLS, operation),
        bodiless=True,
        methods=methods,
        later=later,
        media=media,
    )
    version = Address("fhir.vread", edge, {"GET": instance.vread}, native=True)
    return [
        Route("/fhir/{type:type}/{id:name}", Address("fhir.instance", edge, one, native=True, methods=_of_type)),
        Route("/fhir/{type:type}", many),
        Route("/fhir/metadata", Address("fhir.metadata", edge, {"GET": system_level.capabilities}, public=True)),
        Route("/fhir/${operation}", run),
        Route("/fhir/{type}/${operation}", run),
        Route("/fhir/{type}/_search", Address("fhir.search", edge, {"POST": search.of_type}, form=True, bodiless=True)),
        Route("/fhir/{type}/_history", past),
        Route("/fhir/_history", past),
        Route("/fhir/_search", Address("fhir.search", edge, {"POST": search.of_everything}, form=True, bodiless=True)),
        Route("/fhir/{type}/", many),
        Route("/fhir/{type}/{id}/_history/{version}", version),
        Route("/fhir/{type}/{id}/_history", past),
        Route("/fhir/{type}/{id}/${operation}", run),
        Route("/fhir/{type}/{id}/_search", compartment),
        Route("/fhir/{type}/{id}/{other}", Address("fhir.compartment", edge, {"GET": inside})),
        Route("/fhir/{type}/{id}/{other}/_search", compartment),
        Route("/fhir", whole),
        Route("/fhir/", whole),
        Route("/fhir/{rest:rest}", Address("fhir.unknown", edge)),
    ]
