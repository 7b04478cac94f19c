"""The description of the DICOMweb service: of every route, nothing else, and true."""

from __future__ import annotations

from typing import Any, cast
from xml.etree import ElementTree as ET

import msgspec
import pytest

from dicomweb.api.capabilities.document import NAMESPACE
from dicomweb.api.capabilities.table import BASE, SEARCHES, searched, table
from dicomweb.api.edge import Edge
from dicomweb.api.look import PARAMETERS, look
from dicomweb.api.routes import methods, routes, services
from dicomweb.index.attributes import Level
from dicomweb.study.parameters import parse
from healix_fhir.kernel.errors import HealixError
from tests.support.asgi import FakeGate, Reply, request, router

NOTHING = cast("Any", None)
EDGE = Edge(NOTHING, NOTHING, NOTHING, FakeGate(), "https://healix.test/dicomweb", 1, NOTHING, NOTHING, NOTHING)
WADL = "application/vnd.sun.wadl+xml"
VALUES = {
    "limit": "1",
    "offset": "1",
    "fuzzymatching": "true",
    "emptyvaluematching": "true",
    "multiplevaluematching": "true",
    "orderby": "StudyDate",
    "includefield": "all",
}
LOOKS = {
    "window": "1,2,{}",
    "viewport": "1,1",
    "quality": "50",
    "annotation": "{}",
    "iccprofile": "{}",
}


def asked(method: str, path: str, accept: str) -> Reply:
    """What a caller without a token is told."""
    return request(router(routes(EDGE)), method, path, headers={"Accept": accept}, token=None)


def test_every_route_is_described() -> None:
    """Each method of each route has its row in the table, and each row has a route."""
    offered = {(method, path.removeprefix(BASE)) for method, path in methods(services(EDGE))}
    assert sorted(offered - table().keys()) == []
    assert sorted(table().keys() - offered) == []


@pytest.mark.spec("PS3.18 8.9")
@pytest.mark.parametrize(
    ("method", "path"), [("OPTIONS", "/dicomweb"), ("OPTIONS", "/dicomweb/"), ("GET", "/dicomweb/capabilities")]
)
def test_the_document_is_open_and_has_every_method_at_its_address(method: str, path: str) -> None:
    """Without a token programs get WADL with one `resources` at the base, and in it each method of each route."""
    reply = asked(method, path, WADL)
    assert (reply.status, reply.headers["content-type"]) == (200, WADL)
    root = ET.fromstring(reply.body)
    assert root.tag == f"{{{NAMESPACE}}}application"
    (resources,) = root.findall(f"{{{NAMESPACE}}}resources")
    assert resources.get("base") == EDGE.base
    found = [
        (one.get("name"), "/" + str(resource.get("path")))
        for resource in resources
        for one in resource.findall(f"{{{NAMESPACE}}}method")
    ]
    assert sorted(found) == sorted(table())
    ids = [one.get("id") for one in root.iter(f"{{{NAMESPACE}}}method")]
    assert len(set(ids)) == len(ids)


def test_a_slash_at_the_end_leads_people_to_the_page() -> None:
    """Who opens the base with a slash, as it is written before an address, is led to the statement for people."""
    reply = asked("GET", "/dicomweb/", "text/html")
    assert (reply.status, reply.headers["location"]) == (307, EDGE.base)


@pytest.mark.spec("PS3.18 8.9")
def test_the_same_in_json() -> None:
    """The JSON form has the same resources, methods and parameters."""
    reply = asked("OPTIONS", "/dicomweb", "application/json")
    (resources,) = msgspec.json.decode(reply.body)["application"]["resources"]
    tree = ET.fromstring(asked("OPTIONS", "/dicomweb", WADL).body)
    names = [
        param["name"]
        for one in resources["resource"]
        for m in one["method"]
        for param in m["request"][0].get("param", ())
    ]
    same = [param.get("name") for param in tree.iterfind(f".//{{{NAMESPACE}}}request/{{{NAMESPACE}}}param")]
    assert names == same


@pytest.mark.spec("PS3.18 Annex H")
def test_placeholders_are_template_parameters() -> None:
    """Each `{name}` of an address is declared."""
    tree = ET.fromstring(asked("OPTIONS", "/dicomweb", "*/*").body)
    for resource in tree.iter(f"{{{NAMESPACE}}}resource"):
        declared = [one.get("name") for one in resource.findall(f"{{{NAMESPACE}}}param")]
        assert [f"{{{name}}}" for name in declared] == [
            part for part in str(resource.get("path")).split("/") if "{" in part
        ]


def test_what_cannot_be_had_is_refused() -> None:
    """Another representation is 406, another method 405."""
    assert asked("OPTIONS", "/dicomweb", "text/plain").status == 406
    refused = asked("POST", "/dicomweb/capabilities", "*/*")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("level", list(Level))
def test_every_parameter_of_a_search_is_read(level: Level) -> None:
    """What is listed is taken by the search; the rest is refused."""
    for name in searched(level):
        parse(level, [(name, VALUES.get(name, ""))])
    assert VALUES.keys() == SEARCHES.keys()
    with pytest.raises(HealixError):
        parse(level, [("nothing", "")])


def test_every_parameter_of_a_picture_is_read() -> None:
    """What is listed is all that is read, with each value that is listed."""
    listed = table()["GET", "/studies/{study}/rendered"].parameters
    assert listed.keys() == PARAMETERS
    for name, values in listed.items():
        for value in values or ("",):
            look([(name, LOOKS[name].format(value))])
