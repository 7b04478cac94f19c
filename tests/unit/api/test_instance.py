"""Read, vread, update, delete and history as HTTP shows them."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from tests.support.asgi import request
from tests.unit.api.fhir import BASE, JSON, Fhir

ETAG, DATE = 'W/"3"', "Fri, 02 Jan 2026 03:04:05 GMT"


@pytest.mark.spec("http.html#read")
def test_read_serves_the_stored_bytes_with_tag_date_and_type() -> None:
    """A read answers the bytes as stored, with entity tag, date and FHIR media type, and forbids caches to keep it."""
    fhir = Fhir()
    reply = request(fhir.app, "GET", "/fhir/Patient/1")
    assert (reply.status, reply.body) == (200, fhir.interactions.stored().body)
    assert reply.headers == {
        "etag": ETAG,
        "last-modified": DATE,
        "content-type": "application/fhir+json; charset=utf-8",
        "content-length": str(len(reply.body)),
        "cache-control": "no-store",
    }


@pytest.mark.spec("http.html#read")
def test_head_is_a_read_without_its_body() -> None:
    """HEAD answers the headers of GET, with the length that the body would have."""
    head = request(Fhir().app, "HEAD", "/fhir/Patient/1")
    assert (head.status, head.body) == (200, b"")
    assert head.headers == request(Fhir().app, "GET", "/fhir/Patient/1").headers


@pytest.mark.spec("http.html#cread")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": 'W/"3"'}, 304),
        ({"If-None-Match": 'W/"2", W/"3"'}, 304),
        ({"If-None-Match": 'W/"1","3"'}, 304),
        ({"If-None-Match": ""}, 200),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": 'W/"2"'}, 200),
        ({"If-Modified-Since": DATE}, 304),
        ({"If-Modified-Since": "Fri, 02 Jan 2026 03:04:04 GMT"}, 200),
        ({"If-Modified-Since": "not a date"}, 200),
        ({"If-None-Match": 'W/"2"', "If-Modified-Since": DATE}, 200),
    ],
)
@pytest.mark.parametrize("url", ["/fhir/Patient/1", "/fhir/Patient/1/_history/3", "/fhir/Patient/1?_format=xml"])
def test_conditional_read_sends_only_what_the_caller_lacks(url: str, headers: dict[str, str], status: int) -> None:
    """A read or vread answers 304 without a body when the caller has that version; tags win over the date."""
    fhir = Fhir()
    fhir.interactions.body = b'{"resourceType":"Patient","id":"1"}'
    for method in ("GET", "HEAD"):
        reply = request(fhir.app, method, url, headers=headers)
        assert reply.status == status
        assert reply.headers["etag"] == ETAG
        assert bool(reply.body) == (status == 200 and method == "GET")


@pytest.mark.spec("FHIR R4 search.html#summary", "FHIR R4 search.html#elements")
@pytest.mark.parametrize("url", ["/fhir/Patient/1", "/fhir/Patient/1/_history/3"])
@pytest.mark.parametrize("query", ["_summary=true", "_elements=name"])
def test_a_part_of_a_resource_is_tagged(url: str, query: str) -> None:
    """A read or vread of a part gives what is asked for, and says that it is not the whole."""
    fhir = Fhir()
    fhir.interactions.body = b'{"resourceType":"Patient","id":"1","name":[{"text":"x"}],"photo":[{"url":"a"}]}'
    reply = request(fhir.app, "GET", f"{url}?{query}").json
    assert reply.keys() == {"resourceType", "id", "meta", "name"}
    assert [tag["code"] for tag in reply["meta"]["tag"]] == ["SUBSETTED"]


@pytest.mark.parametrize(
    "query", ["_summary=count", "_summary=some", "_elements=nothing", "_summary=data&_elements=name"]
)
def test_a_part_that_cannot_be_had_is_refused(query: str) -> None:
    """A value that makes no sense on a read is an error that names the parameter."""
    reply = request(Fhir().app, "GET", f"/fhir/Patient/1?{query}")
    assert (reply.status, reply.json["issue"][0]["diagnostics"][:1]) == (400, "_")


@pytest.mark.parametrize(("method", "url"), [("POST", "/fhir/Patient"), ("PUT", "/fhir/Patient/1"), ("POST", "/fhir")])
def test_parts_of_what_is_written_are_refused_by_name(method: str, url: str) -> None:
    """A write with _summary or _elements is refused before it is done: nobody should take its answer for the whole."""
    fhir = Fhir()
    reply = request(fhir.app, method, f"{url}?_elements=name", headers=JSON, body=b"{}")
    assert (reply.status, fhir.interactions.asked) == (400, [])
    assert "_elements is not supported" in reply.json["issue"][0]["diagnostics"]


@pytest.mark.spec("http.html#vread")
def test_vread_asks_for_the_version_of_its_address() -> None:
    """The version in the address reaches the interaction."""
    fhir = Fhir()
    assert request(fhir.app, "GET", "/fhir/Patient/1/_history/3").status == 200
    assert fhir.asked == ("vread", "Patient", "1", "3")


@pytest.mark.spec("http.html#update")
def test_update_passes_the_version_that_it_is_meant_for() -> None:
    """If-Match becomes the version that must be current; an update of what was there answers 200."""
    fhir = Fhir()
    fhir.interactions.created = False
    reply = request(fhir.app, "PUT", "/fhir/Patient/1", headers={**JSON, "If-Match": 'W/"2"'}, body=b"{}")
    assert fhir.asked == ("update", "Patient", "1", b"{}", 2, False)
    assert (reply.status, reply.headers["content-location"]) == (200, f"{BASE}/Patient/1/_history/3")


@pytest.mark.parametrize("tag", ['W/"x"', "*", 'W/"1", W/"2"', "", 'W/"99999999999"'])
def test_if_match_that_is_no_version_is_refused(tag: str) -> None:
    """An If-Match that names no single version is refused, and nothing is written."""
    fhir = Fhir()
    reply = request(fhir.app, "PUT", "/fhir/Patient/1", headers={**JSON, "If-Match": tag}, body=b"{}")
    assert (reply.status, fhir.interactions.asked) == (400, [])


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("PUT", "/fhir/Patient/1", {"If-None-Match": 'W/"1"'}),
        ("GET", "/fhir/Questionnaire/1/$populate", {}),
        ("POST", "/fhir/$implements", {}),
    ],
)
def test_what_r4_defines_and_the_server_lacks_is_refused_by_name(
    method: str, url: str, headers: dict[str, str]
) -> None:
    """A known but unsupported interaction answers not-supported and its name, and nothing is done."""
    fhir = Fhir()
    reply = request(fhir.app, method, url, headers={**JSON, **headers}, body=b"{}" if method != "GET" else b"")
    assert reply.status == 400
    assert reply.json["issue"][0]["code"] == "not-supported"
    assert "not supported" in reply.json["issue"][0]["diagnostics"]
    assert fhir.interactions.asked == []


@pytest.mark.spec("FHIR R4 http.html#update")
def test_an_update_may_be_bound_to_make_a_new_resource() -> None:
    """If-None-Match: * reaches the interaction."""
    fhir = Fhir()
    assert request(fhir.app, "PUT", "/fhir/Patient/1", headers=JSON | {"If-None-Match": "*"}, body=b"{}").status == 201
    assert fhir.asked == ("update", "Patient", "1", b"{}", None, True)


@pytest.mark.spec("FHIR R4 http.html#patch")
@pytest.mark.parametrize("sent", ["application/json-patch+json", "application/fhir+json; charset=utf-8"])
@pytest.mark.parametrize("where", ["/fhir/Patient/1", "/fhir/Patient?identifier=1", "/fhir/Patient/?identifier=1"])
def test_a_patch_reaches_the_interaction_with_its_type(sent: str, where: str) -> None:
    """Both kinds of patch, of one resource or of what matches; the answer is that of an update."""
    fhir = Fhir()
    headers = {"Content-Type": sent, "If-Match": 'W/"2"'}
    reply = request(fhir.app, "PATCH", where, headers=headers, body=b"[]")
    about = "1" if where.endswith("/1") else [("identifier", "1")]
    assert fhir.asked == ("patch", "Patient", about, b"[]", sent.partition(";")[0], 2)
    assert (reply.status, reply.headers["etag"]) == (200, ETAG)
    assert reply.headers["content-location"] == f"{BASE}/Patient/1/_history/3"


@pytest.mark.spec("RFC 5789 3.1")
@pytest.mark.parametrize("sent", ["application/xml-patch+xml", "application/merge-patch+json", "text/plain"])
def test_a_patch_of_another_type_is_refused_with_those_that_are_read(sent: str) -> None:
    """415 names the type and lists the others in Accept-Patch."""
    fhir = Fhir()
    reply = request(fhir.app, "PATCH", "/fhir/Patient/1", headers={"Content-Type": sent}, body=b"x")
    assert (reply.status, fhir.interactions.asked) == (415, [])
    assert sent in reply.json["issue"][0]["diagnostics"]
    assert reply.headers["accept-patch"].startswith("application/json-patch+json, application/fhir+json")


@pytest.mark.spec("FHIR R4 http.html#read")
def test_a_deleted_resource_answers_with_the_tag_of_its_deletion() -> None:
    """410 tells which version the deletion is."""
    fhir = Fhir()
    fhir.interactions.error = HealixError(Category.GONE, "it was deleted", etag='W/"4"')
    reply = request(fhir.app, "GET", "/fhir/Patient/1")
    assert (reply.status, reply.headers["etag"], reply.json["issue"][0]["code"]) == (410, 'W/"4"', "deleted")


@pytest.mark.spec("FHIR R4 http.html#delete")
@pytest.mark.parametrize(
    ("url", "prefer", "status", "told"),
    [
        ("Patient/1", "return=OperationOutcome", 200, "deleted: Patient/1"),
        ("Patient/2", "return=OperationOutcome", 200, "there was nothing to delete"),
        ("Patient?active=false", "return=OperationOutcome", 200, "deleted: Patient/1, Patient/2"),
        ("Patient?active=false", "return=minimal", 204, None),
    ],
)
def test_a_delete_tells_what_it_did_to_who_wants_to_know(url: str, prefer: str, status: int, told: str | None) -> None:
    """An outcome names what was deleted; without that preference there is no body."""
    reply = request(Fhir().app, "DELETE", f"/fhir/{url}", headers={"Prefer": prefer})
    assert reply.status == status
    assert (reply.json["issue"][0]["diagnostics"] if reply.body else None) == told


@pytest.mark.spec("http.html#delete")
@pytest.mark.parametrize(("id_", "tag"), [("1", ETAG), ("2", None)])
def test_delete_answers_no_content(id_: str, tag: str | None) -> None:
    """A delete answers 204, with the deletion's entity tag when there was something to delete."""
    reply = request(Fhir().app, "DELETE", f"/fhir/Patient/{id_}")
    assert (reply.status, reply.body, reply.headers.get("etag")) == (204, b"", tag)
    assert "content-type" not in reply.headers


@pytest.mark.spec("http.html#history")
@pytest.mark.parametrize(
    ("path", "asked"),
    [("Patient/1/_history", ("Patient", "1")), ("Patient/_history", ("Patient", None)), ("_history", (None, None))],
)
def test_history_links_point_to_its_own_address(path: str, asked: tuple[str | None, ...]) -> None:
    """Each level reaches the interaction, and the links lead back to where they came from."""
    fhir = Fhir()
    reply = request(fhir.app, "GET", f"/fhir/{path}?_count=2")
    assert fhir.asked == ("history", *asked, [("_count", "2")], False)
    assert reply.json["link"] == [{"relation": "self", "url": f"{BASE}/{path}?_count=2"}]


def test_a_failed_precondition_answers_412() -> None:
    """The interaction's refusal reaches the caller with its own status."""
    fhir = Fhir()
    fhir.interactions.error = HealixError(Category.PRECONDITION_FAILED, "it is in version 4")
    reply = request(fhir.app, "DELETE", "/fhir/Patient/1", headers={"If-Match": 'W/"3"'})
    assert (reply.status, reply.json["issue"][0]["code"]) == (412, "conflict")
