"""Create, search, batch and metadata as HTTP shows them."""

from __future__ import annotations

import pytest

from tests.support.asgi import request
from tests.unit.api.fhir import BASE, JSON, Fhir

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.spec("http.html#create")
def test_create_answers_201_with_the_new_version_and_its_address() -> None:
    """A create answers 201, Location of the version, entity tag and, by default, the resource."""
    fhir = Fhir()
    reply = request(fhir.app, "POST", "/fhir/Patient", headers=JSON, body=b'{"a":1}')
    assert fhir.asked == ("create", "Patient", b'{"a":1}', None)
    assert (reply.status, reply.headers["location"]) == (201, f"{BASE}/Patient/1/_history/3")
    assert (reply.headers["etag"], reply.body) == ('W/"3"', fhir.interactions.stored().body)


@pytest.mark.spec("FHIR R4 http.html#ccreate")
def test_a_conditional_create_that_finds_one_answers_200_with_its_address() -> None:
    """If-None-Exist reaches the interaction; what was found is located like what would have been made."""
    fhir = Fhir()
    fhir.interactions.created = False
    reply = request(fhir.app, "POST", "/fhir/Patient", headers=JSON | {"If-None-Exist": "identifier=1"}, body=b"{}")
    assert fhir.asked == ("create", "Patient", b"{}", "identifier=1")
    assert (reply.status, reply.headers["location"]) == (200, f"{BASE}/Patient/1/_history/3")


@pytest.mark.spec("FHIR R4 http.html#cond-update")
@pytest.mark.parametrize("url", ["/fhir/Patient?identifier=a%7Cb", "/fhir/Patient/?identifier=a%7Cb"])
def test_conditional_update_and_delete_reach_the_interaction(url: str) -> None:
    """With and without a slash before the condition, and with the versions they are meant for."""
    fhir = Fhir()
    headers = JSON | {"If-Match": 'W/"2"', "If-None-Match": "*"}
    request(fhir.app, "PUT", url, headers=headers, body=b"{}")
    request(fhir.app, "DELETE", url, headers={"If-Match": 'W/"2"'})
    asked = [("identifier", "a|b")]
    assert fhir.interactions.asked == [
        ("update", "Patient", asked, b"{}", 2, True), ("delete", "Patient", asked, 2)
    ]  # fmt: skip


@pytest.mark.spec("http.html#ops")
@pytest.mark.parametrize(
    ("prefer", "what"),
    [
        ("return=minimal", b""),
        ('return="minimal"; x=1', b""),
        ("return=OperationOutcome", b'{"resourceType":"OperationOutcome"'),
        ("return=representation", b'{"resourceType":"Patient"'),
        ("return=everything", b'{"resourceType":"Patient"'),
        ("handling=strict, return=minimal", b""),
    ],
)
def test_a_write_answers_what_the_caller_prefers(prefer: str, what: bytes) -> None:
    """Prefer chooses between nothing, an outcome and the resource; an unknown preference is ignored."""
    reply = request(Fhir().app, "POST", "/fhir/Patient", headers={**JSON, "Prefer": prefer}, body=b"{}")
    assert reply.status == 201
    assert reply.body.startswith(what)
    assert bool(reply.body) == bool(what)


@pytest.mark.spec("search.html#errors")
@pytest.mark.parametrize(("prefer", "strict"), [("handling=strict", True), ("handling=lenient", False), (None, False)])
def test_search_handles_unknown_parameters_as_preferred(prefer: str | None, strict: bool) -> None:
    """handling=strict reaches the search; without it a search is lenient."""
    fhir = Fhir()
    request(fhir.app, "GET", "/fhir/Patient?name=a", headers={"Prefer": prefer} if prefer else None)
    assert fhir.asked == ("search", "Patient", [("name", "a")], strict)


@pytest.mark.spec("http.html#search")
def test_search_bundle_is_joined_from_the_stored_bytes() -> None:
    """The resource in a Bundle keeps its bytes: 1.50 stays 1.50."""
    fhir = Fhir()
    reply = request(fhir.app, "GET", "/fhir/Patient?name=x")
    assert fhir.interactions.stored().body in reply.body
    entry = reply.json["entry"][0]
    assert (entry["fullUrl"], entry["search"]) == (f"{BASE}/Patient/1", {"mode": "match"})
    assert reply.json["link"] == [{"relation": "self", "url": f"{BASE}/Patient?name=x"}]


@pytest.mark.spec("http.html#search")
def test_search_by_post_takes_parameters_of_url_and_form() -> None:
    """POST _search joins the parameters of its URL and its form, percent-decoded as UTF-8."""
    fhir = Fhir()
    request(fhir.app, "POST", "/fhir/Patient/_search?_count=5", headers=FORM, body=b"name=M%C3%BCller+A&active=")
    assert fhir.asked == ("search", "Patient", [("_count", "5"), ("name", "Müller A"), ("active", "")], False)


@pytest.mark.spec("http.html#search")
@pytest.mark.parametrize("url", ["/fhir/Patient/_search", "/fhir/_search", "/fhir/Patient/1/Observation/_search"])
def test_search_by_post_needs_no_body(url: str) -> None:
    """All parameters may stand in the URL; then there need be no form."""
    fhir = Fhir()
    reply = request(fhir.app, "POST", f"{url}?name=x")
    assert (reply.status, fhir.asked[2]) == (200, [("name", "x")])


@pytest.mark.parametrize("query", ["name=%ff", "name=%C3%28", "&".join(["a=1"] * 1001), "name=\xff"])
def test_parameters_that_cannot_be_read_are_refused(query: str) -> None:
    """A query that is no UTF-8, or too long a list, is refused before anything is asked."""
    fhir = Fhir()
    reply = request(fhir.app, "GET", f"/fhir/Patient?{query}")
    assert (reply.status, fhir.interactions.asked) == (400, [])


@pytest.mark.spec("http.html#transaction")
@pytest.mark.parametrize("url", ["/fhir", "/fhir/"])
def test_bundle_is_posted_to_the_base(url: str) -> None:
    """A batch or transaction is taken at the base, with the caller's preference for its entries."""
    fhir = Fhir()
    prefer = {"Prefer": "return=minimal, handling=strict"}
    reply = request(fhir.app, "POST", url, headers={**JSON, **prefer}, body=b"{}")
    assert (fhir.asked, reply.status) == (("bundle", b"{}", "minimal", True), 200)
    assert reply.json == {"resourceType": "Bundle", "type": "transaction-response"}


@pytest.mark.spec("http.html#capabilities")
def test_capabilities_need_no_token_and_name_the_server() -> None:
    """Anybody may read what the server can do."""
    reply = request(Fhir().app, "GET", "/fhir/metadata", token=None)
    assert (reply.status, reply.json["implementation"]["url"]) == (200, "http://healix.test")


def test_other_modes_of_the_capabilities_are_refused_by_name() -> None:
    """A mode that R4 has not is refused, not answered with something else."""
    reply = request(Fhir().app, "GET", "/fhir/metadata?mode=short", token=None)
    assert (reply.status, reply.json["issue"][0]["code"]) == (400, "not-supported")


@pytest.mark.parametrize(
    ("method", "url", "allow"),
    [
        ("POST", "/fhir/Patient/1", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("TRACE", "/fhir/Patient/1", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("BREW", "/fhir/Patient", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        ("GET", "/fhir/Patient/_search", "POST, OPTIONS"),
        ("POST", "/fhir/Patient/1/_history/1", "GET, HEAD, OPTIONS"),
        ("DELETE", "/fhir", "GET, HEAD, POST, OPTIONS"),
        ("PUT", "/fhir/metadata", "GET, HEAD, OPTIONS"),
        ("GET", "/fhir/$fhirpath", "POST, OPTIONS"),
        ("PUT", "/fhir/$reindex", "GET, HEAD, POST, DELETE, OPTIONS"),
        ("DELETE", "/fhir/Patient/$validate", "GET, HEAD, POST, OPTIONS"),
        ("PATCH", "/fhir/Patient/1/$validate", "GET, HEAD, POST, OPTIONS"),
    ],
)
def test_a_method_that_an_address_lacks_answers_405_and_those_it_has(method: str, url: str, allow: str) -> None:
    """405 names the methods that are possible, and OPTIONS asks for them."""
    fhir = Fhir()
    reply = request(fhir.app, method, url)
    assert (reply.status, reply.headers["allow"]) == (405, allow)
    asked = request(fhir.app, "OPTIONS", url)
    assert (asked.status, asked.headers["allow"], asked.body) == (204, allow, b"")
    assert fhir.interactions.asked == []


@pytest.mark.parametrize("url", ["/fhir/Patient/1/_history/1/x", "/fhir/a/b/c/d/e"])
def test_nothing_can_be_asked_of_what_is_no_address(url: str) -> None:
    """OPTIONS of no address is 404."""
    assert request(Fhir().app, "OPTIONS", url).status == 404


@pytest.mark.spec("FHIR R4 async.html#3.1.6.1")
@pytest.mark.parametrize(
    ("prefer", "status"),
    [
        ("respond-async", 200),
        ("respond-async, handling=lenient", 200),
        ("respond-async, handling=strict", 400),
        ("handling=strict,Respond-Async; wait=10", 400),
        ("handling=strict", 200),
    ],
)
def test_an_asynchronous_answer_is_refused_to_who_insists(prefer: str, status: int) -> None:
    """A preference may be ignored, unless the caller wants to be told: then it is refused by name, and nothing done."""
    fhir = Fhir()
    reply = request(fhir.app, "GET", "/fhir/Patient?name=x", headers={"Prefer": prefer})
    assert (reply.status, len(fhir.interactions.asked)) == (status, int(status == 200))
    if status == 400:
        assert "respond-async is not supported" in reply.json["issue"][0]["diagnostics"]


def test_addresses_that_are_none_answer_404() -> None:
    """What lies below no route of the base is not found."""
    reply = request(Fhir().app, "GET", "/fhir/Patient/1/_history/1/x")
    assert (reply.status, reply.json["issue"][0]["code"]) == (404, "not-found")
