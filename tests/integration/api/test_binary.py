"""Binary in its native form, over a real socket."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import httpx
import pytest

from healix_fhir.model.json import encode
from healix_fhir.model.xml.decode import decode
from tests.support.live_server import LiveServer
from tests.support.resources import patient

PDF = b"%PDF-1.7\x00\xff\r\n"
HTML = b"<html><script>alert(1)</script></html>"
JSON, XML = "application/fhir+json", "application/fhir+xml"


def stored(client: httpx.Client, **elements: Any) -> str:
    """The address of a new Binary."""
    binary = {"resourceType": "Binary", "contentType": "application/pdf", "data": base64.b64encode(PDF).decode()}
    made = client.post("/fhir/Binary", content=encode(binary | elements), headers={"Content-Type": JSON})
    assert made.status_code == 201, made.text
    return f"/fhir/Binary/{made.json()['id']}"


@pytest.mark.spec("FHIR R4 binary.html#rest")
@pytest.mark.parametrize(
    ("accept", "query", "content_type"),
    [
        (None, "", "application/pdf"),
        ("*/*", "", "application/pdf"),
        ("application/pdf", "", "application/pdf"),
        ("image/png", "", "application/pdf"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "", "application/pdf"),
        (JSON, "", JSON),
        (XML, "", XML),
        ("application/json", "", "application/json"),
        ("text/xml", "", "text/xml"),
        ("application/pdf;q=0.5, application/fhir+json", "", JSON),
        ("application/fhir+json;q=0.5, application/pdf", "", "application/pdf"),
        ("application/fhir+json;q=0, */*", "", "application/pdf"),
        (JSON, "?_format=application/pdf", "application/pdf"),
        ("application/pdf", "?_format=json", JSON),
        (None, "?_format=xml", XML),
        (None, "?_summary=true", JSON),
    ],
)
def test_a_read_gives_the_content_unless_fhir_is_asked_for(
    server: LiveServer, accept: str | None, query: str, content_type: str
) -> None:
    """The bytes come with the resource's content type, tag and date; a FHIR media type asks for the resource."""
    with server.client("system/*.cruds") as client:
        address = stored(client)
        headers = {"Accept": accept} if accept else {}
        if not accept:
            del client.headers["accept"]
        for url in (address, f"{address}/_history/1"):
            answer = client.get(f"{url}{query}", headers=headers)
            assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"1"'), answer.text
            assert answer.headers["content-type"].partition(";")[0] == content_type
            if content_type == "application/pdf":
                assert answer.content == PDF
            else:
                resource = decode(answer.content) if "xml" in content_type else answer.json()
                assert resource["resourceType"] == "Binary"
            head = client.head(f"{url}{query}", headers=headers)
            assert (head.content, head.headers["content-length"]) == (b"", answer.headers["content-length"])


@pytest.mark.spec("FHIR R4 binary.html#rest")
def test_a_body_of_any_type_becomes_a_binary(server: LiveServer) -> None:
    """POST and PUT take the content as it is, also compressed; the security context stands in a header, both ways."""
    with server.client("system/*.cruds") as client:
        client.put("/fhir/Patient/p", content=encode(patient(id="p")), headers={"Content-Type": JSON})
        context = {"X-Security-Context": "Patient/p"}
        made = client.post("/fhir/Binary", content=PDF, headers={"Content-Type": "application/pdf", **context})
        assert made.status_code == 201, made.text
        binary = made.json()
        assert binary["contentType"] == "application/pdf"
        assert base64.b64decode(binary["data"]) == PDF
        assert binary["securityContext"] == {"reference": "Patient/p"}
        address = f"/fhir/Binary/{binary['id']}"
        assert client.get(address).headers["x-security-context"] == "Patient/p"
        changed = client.put(
            address, content=gzip.compress(b"text"), headers={"Content-Type": "text/plain", "Content-Encoding": "gzip"}
        )
        assert changed.status_code == 200, changed.text
        answer = client.get(address)
        assert (answer.content, answer.headers["content-type"], answer.headers["etag"]) == (
            b"text",
            "text/plain",
            'W/"2"',
        )
        assert "x-security-context" not in answer.headers
        assert client.put("/fhir/Binary/new", content=b"", headers={"Content-Type": "image/png"}).status_code == 201
        assert client.get("/fhir/Binary/new").content == b""


@pytest.mark.spec("FHIR R4 binary.html#rest")
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, encode(patient())),
        (XML, b'<Patient xmlns="http://hl7.org/fhir"/>'),
        ("application/json", b"[1, 2]"),
        ("application/json", b"not json"),
        ("text/xml", b"<note/>"),
        ("text/xml", b"not xml"),
        ("application/json", b'{"resourceType":"Patient"}'),
        ("text/plain;  charset=latin1", b"\xff"),
    ],
)
def test_fhir_and_its_like_are_content_too(server: LiveServer, content_type: str, body: bytes) -> None:
    """Only a Binary is taken as a resource; all else is what a new Binary holds."""
    with server.client("system/*.cruds") as client:
        made = client.post("/fhir/Binary", content=body, headers={"Content-Type": content_type})
        assert made.status_code == 201, made.text
        assert made.json()["contentType"] == content_type.replace("  ", " ")
        assert base64.b64decode(made.json()["data"]) == body


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("content_type", [JSON, XML, "application/json", "text/xml"])
def test_a_binary_in_a_fhir_format_is_that_binary(server: LiveServer, content_type: str, binary: bool) -> None:
    """A Binary resource is stored as it is; a faulty one is refused, and not wrapped into another."""
    if "xml" in content_type:
        inner = '<contentType value="text/css"/>' if binary else '<nothing value="1"/>'
        body = f'<Binary xmlns="http://hl7.org/fhir">{inner}</Binary>'.encode()
    else:
        body = b'{"resourceType":"Binary","%s":"text/css"}' % (b"contentType" if binary else b"nothing")
    with server.client("system/*.cruds") as client:
        made = client.post("/fhir/Binary", content=body, headers={"Content-Type": content_type})
        assert made.status_code == (201 if binary else 400)
        assert made.json().get("contentType") == ("text/css" if binary else None)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"x", 415),
        ({"Content-Type": "nonsense"}, b"x", 415),
        ({"Content-Type": "a/b", "Content-Encoding": "br"}, b"x", 415),
        ({"Content-Type": "a/b", "X-Security-Context": "not a reference"}, b"x", 400),
        ({"Content-Type": "a/b"}, b"x" * (1 << 20) + b"x", 413),
        ({"Content-Type": JSON}, b"{", 400),
        ({"Content-Type": XML}, b"<", 400),
    ],
)
def test_what_cannot_be_a_binary_is_refused(
    server: LiveServer, headers: dict[str, str], body: bytes, status: int
) -> None:
    """A body without a type, over the limit, or that says it is FHIR and is not, stores nothing."""
    with server.client("system/*.cruds") as client:
        answer = client.post("/fhir/Binary", content=body, headers=headers)
        assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), answer.text
        assert "entry" not in client.get("/fhir/Binary").json()


@pytest.mark.spec("FHIR R4 binary.html#rest")
def test_stored_html_cannot_run(server: LiveServer) -> None:
    """A browser gets content as a download in a sandbox, and must not guess what it is."""
    with server.client("system/*.cruds") as client:
        answer = client.get(stored(client, contentType="text/html", data=base64.b64encode(HTML).decode()))
        assert (answer.content, answer.headers["content-type"]) == (HTML, "text/html")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"] == "attachment"
        policy = answer.headers["content-security-policy"]
        assert "sandbox" in policy.split("; ")
        assert "default-src 'none'" in policy


@pytest.mark.parametrize("content_type", ["text/html\tx", "a\u00a0b/c", "nonsense", "text/plain; x", "a/b\u2028c"])
def test_a_stored_content_type_cannot_break_a_header(server: LiveServer, content_type: str) -> None:
    """What is no media type is served as bytes of no type."""
    with server.client("system/*.cruds") as client:
        made = client.post(
            "/fhir/Binary",
            content=encode({"resourceType": "Binary", "contentType": content_type, "data": "AAAA"}),
            headers={"Content-Type": JSON},
        )
        assert made.status_code in (201, 400)
        if made.status_code == 201:
            answer = client.get(f"/fhir/Binary/{made.json()['id']}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")


def test_conditional_reads_and_deletion_hold_for_content(server: LiveServer) -> None:
    """304 for the version that the caller has, 410 after the deletion, as for every resource."""
    with server.client("system/*.cruds") as client:
        address = stored(client)
        assert client.get(address, headers={"If-None-Match": 'W/"1"'}).status_code == 304
        assert client.delete(address).status_code == 204
        assert client.get(address).status_code == 410


def test_content_is_for_those_who_may_see_the_security_context(server: LiveServer) -> None:
    """Another patient's Binary answers like none, in either form, and without a scope or token there is nothing."""
    with server.client("system/*.cruds") as client:
        for id_ in ("p", "q"):
            client.put(f"/fhir/Patient/{id_}", content=encode(patient(id=id_)), headers={"Content-Type": JSON})
        address = stored(client, securityContext={"reference": "Patient/p"})
    for accept in ("*/*", JSON):
        with server.client("patient/*.rs", patient="p") as client:
            assert client.get(address, headers={"Accept": accept}).status_code == 200
        with server.client("patient/*.rs", patient="q") as client:
            hidden = client.get(address, headers={"Accept": accept})
            absent = client.get("/fhir/Binary/absent", headers={"Accept": accept})
            assert (hidden.status_code, absent.status_code) == (404, 404)
            assert hidden.text.replace(address.removeprefix("/fhir/"), "Binary/absent") == absent.text
        with server.client("system/Patient.rs") as client:
            assert client.get(address, headers={"Accept": accept}).status_code == 403
        with server.client() as client:
            assert client.get(address, headers={"Accept": accept}).status_code == 401


def test_a_binary_without_a_content_type_is_read(server: LiveServer) -> None:
    """R4 lets an extension stand in place of the media type: the content is then of no known one."""
    absent = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    data = base64.b64encode(PDF).decode()
    binary = {"resourceType": "Binary", "_contentType": {"extension": [absent]}, "data": data}
    with server.client("system/*.cruds") as client:
        made = client.post("/fhir/Binary", content=encode(binary), headers={"Content-Type": JSON})
        assert made.status_code == 201, made.text
        answer = client.get(f"/fhir/Binary/{made.json()['id']}", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert answer.content == PDF
