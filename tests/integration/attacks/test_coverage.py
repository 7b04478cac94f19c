"""What is new at the edges has no attack yet, and fails here: routes, interactions, operations, parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import BaseRoute, Match, Route

from dicomweb.api import routes as dicomweb_api
from dicomweb.api.edge import Address as ImagingAddress
from healix_fhir.api import bulk as bulk_api
from healix_fhir.api import routes as fhir_api
from healix_fhir.api.address import Address as FhirAddress
from healix_fhir.api.bulk import BulkAddress
from healix_fhir.api.live import routes as live_api
from healix_fhir.api.live.stream import Stream
from healix_fhir.operation.registry import ROWS
from healix_fhir.search.asked import MODIFIERS
from healix_fhir.search.controls import CONTROLS, EDGE, REFUSED
from healix_fhir.server.features.search import EVERY_TYPE, SPECIAL_PARAMETERS
from tests.support.asgi import scope_of
from tests.support.attacks.attack import Attack
from tests.support.attacks.names import filled, names
from tests.support.attacks.scene import Scene
from tests.support.attacks.searching import BY_MODIFIER, BY_PARAMETER
from tests.support.attacks.table import ATTACKS

PUBLIC = {"/fhir/metadata", "/dicomweb", "/dicomweb/", "/dicomweb/capabilities"}
"""Addresses that say the same to everyone."""


def _routes() -> list[Route]:
    edge: Any = None
    found: list[BaseRoute] = [
        *fhir_api.routes(edge),
        *dicomweb_api.routes(edge),
        *bulk_api.routes(edge),
        *live_api.routes(edge),
    ]
    return [route for route in found if isinstance(route, Route)]


def _path(route: Route) -> str:
    """The address; with a slash at its end it is the same."""
    return route.path_format.removesuffix("/")


def _methods(route: Route) -> Iterator[str]:
    address = route.app
    assert isinstance(address, FhirAddress | ImagingAddress | BulkAddress | Stream)
    yield from ("GET",) if isinstance(address, Stream) else address.handlers


def _route(attack: Attack, routes: list[Route]) -> tuple[str, str]:
    """Where an attack arrives."""
    scope = scope_of(attack.method, filled(attack.path, names("hidq", "none")), {})
    route = next(route for route in routes if route.matches(scope)[0] is Match.FULL)
    return _path(route), "GET" if attack.method == "HEAD" else attack.method


def test_every_address_and_method_is_attacked() -> None:
    """Each method that a FHIR or DICOMweb address answers has a row; for operations see the next test."""
    routes = _routes()
    attacked = {_route(attack, routes) for attack in ATTACKS}
    there = {(_path(route), method) for route in routes if route.path not in PUBLIC for method in _methods(route)}
    assert sorted(one for one in there - attacked if not one[0].endswith("${operation}")) == []


def test_every_operation_is_attacked() -> None:
    """Each operation has a row for each of its levels, and for each of its methods."""
    called = {
        (found[2], what)
        for attack in ATTACKS
        if (found := re.search(r"^/fhir((?:/[^/?$]+)*)/\$([^/?]+)", attack.path))
        for what in (attack.method, ("system", "type", "instance")[found[1].count("/")])
    }
    assert {(one.name, what) for one in ROWS for what in one.methods | one.levels} <= called


def test_every_modifier_is_attacked() -> None:
    """Each type of parameter has a row for each of its modifiers."""
    there = {(type_, modifier) for type_, modifiers in MODIFIERS.items() for modifier in ("", *modifiers)}
    assert BY_MODIFIER.keys() == there | {("reference", "[type]")}


def test_every_special_parameter_is_attacked() -> None:
    """Each parameter of all types, each that is special, and each that says how results come back has a row."""
    special = {name.partition(":")[0] for name in SPECIAL_PARAMETERS if name.startswith("_")}
    assert BY_PARAMETER.keys() == {*EVERY_TYPE, *special, *CONTROLS, *EDGE, *REFUSED}


@pytest.mark.spec("FHIR R4 capabilitystatement.html")
def test_every_interaction_is_attacked(scene: Scene) -> None:
    """What the capability statement offers, the attacks use."""
    (rest,) = scene.everything.get("/fhir/metadata").json()["rest"]
    offered = {one["code"] for one in rest["interaction"]}
    offered |= {one["code"] for resource in rest["resource"] for one in resource["interaction"]}
    assert offered == INTERACTIONS.keys()
    for code, (method, pattern) in INTERACTIONS.items():
        assert any(one.method == method and re.match(pattern, one.path) for one in ATTACKS), code


INTERACTIONS = {
    "read": ("GET", r"/fhir/Observation/<\w+>$"),
    "vread": ("GET", r"/fhir/Observation/<\w+>/_history/1$"),
    "update": ("PUT", r"/fhir/Observation/<\w+>$"),
    "patch": ("PATCH", r"/fhir/Observation/<\w+>$"),
    "delete": ("DELETE", r"/fhir/Observation/<\w+>$"),
    "history-instance": ("GET", r"/fhir/Observation/<\w+>/_history$"),
    "history-type": ("GET", r"/fhir/Observation/_history"),
    "create": ("POST", r"/fhir/Observation$"),
    "search-type": ("GET", r"/fhir/Observation\?"),
    "transaction": ("POST", r"/fhir$"),
    "batch": ("POST", r"/fhir$"),
    "search-system": ("GET", r"/fhir\?"),
    "history-system": ("GET", r"/fhir/_history"),
}
