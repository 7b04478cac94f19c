"""Which interactions of R4 have a route, which operations are registered, which formats are read and written.

Spec: FHIR R4, hl7.org/fhir/R4/http.html, hl7.org/fhir/R4/operationslist.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from starlette.routing import BaseRoute, Match, Route

from healix_fhir.api.address import Address
from healix_fhir.api.negotiation import FHIR_TYPES, PATCH_TYPES, answer_format, body_type
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.operation import Operation
from healix_fhir.operation.registry import OPERATIONS, ROWS, find
from healix_fhir.server.features.feature import Feature, ask

INTERACTIONS = (
    ("read", "GET", "Patient/1"),
    ("read (HEAD)", "HEAD", "Patient/1"),
    ("vread", "GET", "Patient/1/_history/1"),
    ("update", "PUT", "Patient/1"),
    ("patch", "PATCH", "Patient/1"),
    ("delete", "DELETE", "Patient/1"),
    ("history-instance", "GET", "Patient/1/_history"),
    ("create", "POST", "Patient"),
    ("conditional update", "PUT", "Patient?identifier=1"),
    ("conditional patch", "PATCH", "Patient?identifier=1"),
    ("conditional delete", "DELETE", "Patient?identifier=1"),
    ("search-type", "GET", "Patient?_id=1"),
    ("search-type (POST)", "POST", "Patient/_search"),
    ("history-type", "GET", "Patient/_history"),
    ("search-compartment", "GET", "Patient/1/Observation"),
    ("search-compartment (POST)", "POST", "Patient/1/Observation/_search"),
    ("search-system", "GET", "?_lastUpdated=gt2024"),
    ("search-system (POST)", "POST", "_search"),
    ("history-system", "GET", "_history"),
    ("batch, transaction", "POST", ""),
    ("capabilities", "GET", "metadata"),
)
"""Spec: FHIR R4, hl7.org/fhir/R4/http.html#summary"""

DEFINED = (
    "apply", "cdsHooks", "closure", "conforms", "convert", "data-requirements", "document", "evaluate",
    "evaluate-measure", "everything", "expand", "export", "find", "find-matches", "graphql", "implements", "import",
    "lastn", "lookup", "match", "meta", "meta-add", "meta-delete", "populate", "preferred-id", "process-message",
    "questionnaire", "snapshot", "stats", "submit", "subsumes", "subset", "transform", "translate", "validate",
    "validate-code", "versions",
)  # fmt: skip
"""The operations that R4 and its bulk data guide define."""

OTHER_FORMATS = ("application/fhir+turtle",)


def interactions(routes: Sequence[BaseRoute]) -> Iterator[Feature]:
    """A row for each interaction, asked of the routes."""
    for name, method, url in INTERACTIONS:
        address = _address(routes, url)
        verb = "GET" if method == "HEAD" else method
        yield ask("Interactions", name, (method, url), partial(address.handler, verb))


def _address(routes: Sequence[BaseRoute], url: str) -> Address:
    path = f"/fhir/{url}".partition("?")[0].removesuffix("/")
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    for route in routes:
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            assert isinstance(route.app, Address)
            return route.app
    raise LookupError(url)


def operations() -> Iterator[Feature]:
    """A row for each operation that R4 defines or this server has."""
    for name in sorted({*DEFINED, *OPERATIONS}):
        called = _call(OPERATIONS[name][0]) if name in OPERATIONS else Invocation()
        yield ask("Operations", f"${name}", ("POST", _address_of(name, called)), partial(find, name, called))


def parameters_of_operations() -> Iterator[Feature]:
    """A row for each parameter of each operation that this server has."""
    for operation in sorted(ROWS, key=lambda row: row.definition.id):
        called = _call(operation)
        for parameter in operation.definition.inputs:
            name = f"{operation.definition.id} {parameter}"
            request = ("POST", f"{_address_of(operation.name, called)}?{parameter}=1")
            yield ask("Parameters of operations", name, request, partial(operation.declared.parameter, parameter))


def _call(operation: Operation) -> Invocation:
    """A call of an operation on one of its levels."""
    level = next(level for level in ("system", "type", "instance") if level in operation.levels)
    type_name = "Patient" if operation.types is None else min(operation.types)
    return Invocation(type=None if level == "system" else type_name, id="1" if level == "instance" else None)


def _address_of(name: str, called: Invocation) -> str:
    return "/".join(filter(None, (called.type, called.id, f"${name}")))


def formats() -> Iterator[Feature]:
    """A row for each format, written and read."""
    for name in (*FHIR_TYPES, *OTHER_FORMATS):
        request = ("GET", f"Patient?_format={name.replace('+', '%2B')}")
        yield ask("Formats of answers", name, request, partial(answer_format, None, name))
    for name in FHIR_TYPES:
        yield ask("Formats of bodies", name, ("POST", "Patient"), partial(body_type, name))
    for name in PATCH_TYPES:
        yield ask("Formats of patches", name, ("PATCH", "Patient/1"), partial(body_type, name, PATCH_TYPES))
