"""What the server reads and writes: media types, encodings, sizes."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.media_types import parse_accept, parse_media_type
from tests.support.asgi import request
from tests.unit.api.fhir import JSON, Fhir

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.spec("http.html#mime-type")
@pytest.mark.parametrize(
    ("accept", "query", "type_"),
    [
        (None, "", "application/fhir+json"),
        ("*/*", "", "application/fhir+json"),
        ("application/*", "", "application/fhir+json"),
        (BROWSER, "", "application/fhir+json"),
        ("application/json", "", "application/json"),
        ("text/json;q=0.5, application/fhir+xml;q=0.4", "", "text/json"),
        ("application/fhir+json; fhirVersion=4.0", "", "application/fhir+json"),
        ('application/fhir+json; fhirVersion="4.0", application/json', "", "application/fhir+json"),
        ("application/fhir+xml", "?_format=json", "application/fhir+json"),
        (None, "?_format=application/fhir%2Bjson", "application/fhir+json"),
        (None, "?_format=application/fhir+json", "application/fhir+json"),
        (None, "?_format=application/json", "application/json"),
    ],
)
def test_every_name_of_json_is_served(accept: str | None, query: str, type_: str) -> None:
    """JSON is served under the name that the caller asked for, FHIR's own where any will do."""
    reply = request(Fhir().app, "GET", f"/fhir/Patient/1{query}", headers={"Accept": accept} if accept else None)
    assert (reply.status, reply.headers["content-type"]) == (200, f"{type_}; charset=utf-8")


@pytest.mark.parametrize(
    ("accept", "query"),
    [
        ("application/fhir+xml", ""),
        (None, "?_format=xml"),
        (None, "?_format=application/fhir%2Bxml"),
        ("image/png", ""),
        ("application/fhir+json; fhirVersion=5.0", ""),
        ("application/json;q=0", ""),
        (None, "?_format=ttl"),
    ],
)
def test_formats_that_are_not_written_answer_406_before_anything_is_done(accept: str | None, query: str) -> None:
    """A caller who takes no JSON is refused, XML by name, and nothing is read or written for them."""
    fhir = Fhir()
    reply = request(
        fhir.app, "POST", f"/fhir/Patient{query}", headers=JSON | ({"Accept": accept} if accept else {}), body=b"{}"
    )
    assert (reply.status, fhir.interactions.asked) == (406, [])
    assert reply.headers["content-type"].startswith("application/fhir+json")
    assert ("XML" in reply.json["issue"][0]["diagnostics"]) == ("xml" in (accept or query))


@pytest.mark.parametrize("accept", ["json", "a/b; q=2", "a/b, ;", "a/b c/d", "a/b;q=0.1234", "x/y," * 2000])
def test_an_accept_header_that_cannot_be_read_is_refused(accept: str) -> None:
    """A malformed or endless Accept header is the caller's error."""
    assert request(Fhir().app, "GET", "/fhir/Patient/1", headers={"Accept": accept}).status == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/fhir+json; charset=UTF-8"}, 201),
        ({"Content-Type": 'application/json; charset="utf-8"'}, 201),
        ({"Content-Type": "application/fhir+json", "Content-Encoding": "identity"}, 201),
        ({}, 415),
        ({"Content-Type": "application/fhir+xml"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "json"}, 415),
        ({"Content-Type": "application/fhir+json; charset=latin1"}, 415),
        ({"Content-Type": "application/fhir+json; fhirVersion=3.0"}, 415),
        ({"Content-Type": "application/fhir+json", "Content-Encoding": "gzip"}, 415),
    ],
)
def test_bodies_are_read_as_json_in_utf8_and_never_inflated(headers: dict[str, str], status: int) -> None:
    """Only uncompressed JSON in UTF-8 is taken."""
    fhir = Fhir()
    reply = request(fhir.app, "POST", "/fhir/Patient", headers=headers, body=b"{}")
    assert (reply.status, len(fhir.interactions.asked)) == (status, int(status == 201))
    assert (reply.headers.get("accept-encoding") == "identity") == (status == 415)


@pytest.mark.parametrize(
    ("headers", "chunks", "status"),
    [
        ({"Content-Length": "10"}, [b"x" * 10], 201),
        ({"Content-Length": "11"}, [b"x" * 11], 413),
        ({}, [b"x" * 11], 413),
        ({}, [b"x" * 6, b"x" * 4], 201),
        ({}, [b"x" * 6, b"x" * 5], 413),
        ({"Content-Length": "3"}, [b"x" * 6, b"x" * 6, b"x"], 413),
        ({"Content-Length": "ten"}, [b"x"], 400),
    ],
)
def test_a_body_is_counted_as_it_arrives(headers: dict[str, str], chunks: list[bytes], status: int) -> None:
    """A body over the limit is refused, whatever length was announced and however it is cut into chunks."""
    fhir = Fhir(max_body=10)
    reply = request(fhir.app, "POST", "/fhir/Patient", headers=JSON | headers, body=chunks)
    assert (reply.status, len(fhir.interactions.asked)) == (status, int(status == 201))


def test_an_endless_body_is_refused_while_it_arrives() -> None:
    """The limit holds before the body's end: what comes after it is not read at all."""
    reply = request(Fhir(max_body=10).app, "POST", "/fhir/Patient", headers=JSON, body=[b"x" * 11], cut=True)
    assert reply.status == 413


def test_a_caller_who_goes_away_in_the_middle_gets_nothing_done() -> None:
    """A body that breaks off is never handed on, and nobody is there to be answered."""
    fhir = Fhir()
    reply = request(fhir.app, "POST", "/fhir/Patient", headers=JSON, body=[b'{"a":', b"1}"], cut=True)
    assert (reply.status, fhir.interactions.asked) == (0, [])


@pytest.mark.parametrize(("value", "status"), [("true", 200), ("false", 200), ("yes", 400)])
def test_pretty_indents_and_keeps_every_digit(value: str, status: int) -> None:
    """_pretty=true indents the answer; numbers keep their digits and Content-Length is that of what is sent."""
    reply = request(Fhir().app, "GET", f"/fhir/Patient/1?_pretty={value}")
    assert reply.status == status
    if status == 200:
        assert (b"\n" in reply.body) == (value == "true")
        assert b"1.50" in reply.body
        assert reply.headers["content-length"] == str(len(reply.body))


def test_accept_lists_are_read_by_weight_with_quoted_parameters() -> None:
    """Ranges come by weight, equals in their order; quoted values may hold separators and escapes."""
    found = parse_accept('a/b;q=0.5, multipart/related; type="application/dicom"; x="1, 2;\\"3\\"", c/d;q=0, */*;q=0.5')
    assert [(media.name, media.q) for media in found] == [
        ("multipart/related", 1.0),
        ("a/b", 0.5),
        ("*/*", 0.5),
        ("c/d", 0.0),
    ]
    assert found[0].parameters == {"type": "application/dicom", "x": '1, 2;"3"'}


def test_a_content_type_is_one_media_type() -> None:
    """A list is no Content-Type."""
    assert parse_media_type("multipart/related; type=application/dicom;boundary=b").parameters["boundary"] == "b"
    with pytest.raises(HealixError):
        parse_media_type("a/b, c/d")
