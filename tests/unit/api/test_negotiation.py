"""What the server reads and writes: media types, encodings, sizes."""

from __future__ import annotations

import gzip

import pytest

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.media_types import parse_accept, parse_media_type
from healix_fhir.model.xml.decode import decode
from tests.support.asgi import request
from tests.unit.api.fhir import JSON, Fhir


def packed(content: bytes) -> bytes:
    """`content` as gzip, the same in every process."""
    return gzip.compress(content, mtime=0)


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.spec("FHIR R4 http.html#mime-type")
@pytest.mark.parametrize(
    ("accept", "query", "type_"),
    [
        (None, "", "application/fhir+json"),
        ("*/*", "", "application/fhir+json"),
        ("application/*", "", "application/fhir+json"),
        ("text/*", "", "text/json"),
        (BROWSER, "", "application/xml"),
        ("application/json", "", "application/json"),
        ("application/fhir+xml", "", "application/fhir+xml"),
        ("application/xml", "", "application/xml"),
        ("text/xml", "", "text/xml"),
        ("text/json;q=0.5, application/fhir+xml;q=0.4", "", "text/json"),
        ("text/json;q=0.4, application/fhir+xml;q=0.5", "", "application/fhir+xml"),
        ("application/fhir+json;q=0, */*", "", "application/json"),
        ("application/fhir+json; fhirVersion=5.0, application/fhir+xml;q=0.1", "", "application/fhir+xml"),
        ("application/fhir+json; fhirVersion=4.0", "", "application/fhir+json"),
        ('application/fhir+json; fhirVersion="4.0", application/json', "", "application/fhir+json"),
        ("application/fhir+xml", "?_format=json", "application/fhir+json"),
        ("image/png", "?_format=json", "application/fhir+json"),
        (None, "?_format=xml", "application/fhir+xml"),
        (None, "?_format=text/xml", "text/xml"),
        (None, "?_format=application/xml", "application/xml"),
        (None, "?_format=application/fhir%2Bxml", "application/fhir+xml"),
        (None, "?_format=application/fhir%2Bjson", "application/fhir+json"),
        (None, "?_format=application/fhir+json", "application/fhir+json"),
        (None, "?_format=application/json", "application/json"),
        ("application/json", "?_format=xml&_format=json", "application/fhir+xml"),
    ],
)
def test_a_resource_is_served_under_the_name_that_is_asked_for(accept: str | None, query: str, type_: str) -> None:
    """`_format` wins over Accept, weights over order, FHIR's own JSON where any will do."""
    fhir = Fhir()
    reply = request(fhir.app, "GET", f"/fhir/Basic/1{query}", headers={"Accept": accept} if accept else None)
    assert (reply.status, reply.headers["content-type"]) == (200, f"{type_}; charset=utf-8")
    assert reply.body.startswith(b"<?xml" if "xml" in type_ else b"{")


@pytest.mark.spec("FHIR R4 http.html#mime-type")
@pytest.mark.parametrize(
    ("accept", "query"),
    [
        ("application/fhir+turtle", ""),
        ("image/png", ""),
        ("application/fhir+json; fhirVersion=5.0", ""),
        ("application/json;q=0", ""),
        (None, "?_format=ttl"),
        (None, "?_format="),
        ("application/json", "?_format=html"),
    ],
)
def test_formats_that_are_not_written_answer_406_before_anything_is_done(accept: str | None, query: str) -> None:
    """A caller who takes neither JSON nor XML is refused, and nothing is read or written for them."""
    fhir = Fhir()
    reply = request(
        fhir.app, "POST", f"/fhir/Patient{query}", headers=JSON | ({"Accept": accept} if accept else {}), body=b"{}"
    )
    assert (reply.status, fhir.interactions.asked) == (406, [])
    assert reply.headers["content-type"].startswith("application/fhir+json")


@pytest.mark.parametrize("accept", ["json", "a/b; q=2", "a/b, ;", "a/b c/d", "a/b;q=0.1234", "x/y," * 2000])
def test_an_accept_header_that_cannot_be_read_is_refused(accept: str) -> None:
    """A malformed or endless Accept header is the caller's error."""
    assert request(Fhir().app, "GET", "/fhir/Patient/1", headers={"Accept": accept}).status == 400


@pytest.mark.spec("FHIR R4 http.html#mime-type")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/fhir+json; charset=UTF-8"}, 201),
        ({"Content-Type": 'application/json; charset="utf-8"'}, 201),
        ({"Content-Type": "application/fhir+json", "Content-Encoding": "identity"}, 201),
        ({}, 415),
        ({"Content-Type": "application/fhir+turtle"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "json"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/fhir+json; charset=latin1"}, 415),
        ({"Content-Type": "application/fhir+json; fhirVersion=3.0"}, 415),
        ({"Content-Type": "application/fhir+json", "Content-Encoding": "br"}, 415),
        ({"Content-Type": "application/fhir+json", "Content-Encoding": "gzip, gzip"}, 415),
    ],
)
def test_bodies_are_read_in_fhirs_formats_and_utf8(headers: dict[str, str], status: int) -> None:
    """What is in another format, character set, FHIR version or content coding is not taken."""
    fhir = Fhir()
    reply = request(fhir.app, "POST", "/fhir/Patient", headers=headers, body=b"{}")
    assert (reply.status, len(fhir.interactions.asked)) == (status, int(status == 201))
    assert (reply.headers.get("accept-encoding") == "gzip") == (status == 415)


@pytest.mark.spec("FHIR R4 xml.html#root")
@pytest.mark.parametrize("type_", ["application/fhir+xml", "application/xml; charset=utf-8", "text/xml"])
def test_a_body_in_xml_reaches_the_interaction_as_json(type_: str) -> None:
    """A resource is the same in every format."""
    fhir = Fhir()
    body = b'<Basic xmlns="http://hl7.org/fhir"><id value="1"/></Basic>'
    assert request(fhir.app, "POST", "/fhir/Basic", headers={"Content-Type": type_}, body=body).status == 201
    assert fhir.asked == ("create", "Basic", b'{"resourceType":"Basic","id":"1"}', None)


@pytest.mark.spec("FHIR R4 http.html#mime-type")
@pytest.mark.parametrize(
    ("headers", "query", "token", "body", "status"),
    [
        ({"Accept": "application/fhir+xml"}, "", None, b"{}", 401),
        ({"Accept": "application/fhir+xml", "Content-Type": "text/plain"}, "", "good", b"{}", 415),
        ({"Content-Type": "text/plain"}, "?_format=xml", "good", b"{}", 415),
        ({"Accept": "text/xml", "Content-Type": "text/xml"}, "", "good", b"<Basic>", 400),
        (
            {"Accept": "text/xml", "Content-Type": "text/xml"},
            "",
            "good",
            b"<Basic xmlns='http://hl7.org/fhir'>\x01",
            400,
        ),
    ],
)
def test_refusals_are_written_in_the_callers_format_too(
    headers: dict[str, str], query: str, token: str | None, body: bytes, status: int
) -> None:
    """An error is an OperationOutcome in the format that the caller takes, even before the request is read."""
    reply = request(Fhir().app, "POST", f"/fhir/Basic{query}", headers={**JSON, **headers}, body=body, token=token)
    assert reply.status == status
    assert decode(reply.body)["resourceType"] == "OperationOutcome"
    assert "xml" in reply.headers["content-type"]


def test_an_outcome_quotes_only_what_a_string_may_hold() -> None:
    """A message that repeats the caller's control characters is still a valid outcome, in XML too."""
    fhir = Fhir()
    fhir.interactions.error = invalid("'\x01\uffff' is not a value")
    reply = request(fhir.app, "GET", "/fhir/Basic/1", headers={"Accept": "application/fhir+xml"})
    assert (reply.status, decode(reply.body)["issue"][0]["diagnostics"]) == (400, "'\ufffd\ufffd' is not a value")


def test_a_resource_that_xml_cannot_hold_is_refused_in_xml() -> None:
    """Such a resource answers 406, and is there for those who take JSON."""
    fhir = Fhir()
    fhir.interactions.body = b'{"resourceType":"Basic","language":"\\uffff"}'
    assert request(fhir.app, "GET", "/fhir/Basic/1?_format=xml").status == 406
    assert request(fhir.app, "GET", "/fhir/Basic/1").status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (packed(b"{}"), 201),
        (packed(b"x" * 1000), 201),
        (packed(b"x" * 1001), 413),
        (packed(b"x" * 100_000), 413),
        (packed(b"{}")[:-1], 400),
        (packed(b"{}") + packed(b"{}"), 400),
        (b"{}", 400),
        (b"", 400),
    ],
)
def test_a_gzip_body_is_inflated_within_the_limit(body: bytes, status: int) -> None:
    """What a body becomes counts, not what it was sent as; half a stream is no body."""
    fhir = Fhir(max_body=1000)
    reply = request(fhir.app, "POST", "/fhir/Patient", headers=JSON | {"Content-Encoding": "gzip"}, body=body)
    assert (reply.status, len(fhir.interactions.asked)) == (status, int(status == 201))


@pytest.mark.parametrize(
    ("accepted", "size", "compressed"),
    [
        ("gzip", 5000, True),
        ("br, gzip;q=0.5", 5000, True),
        ("*", 5000, True),
        ("gzip", 200_000, True),
        ("gzip;q=0", 5000, False),
        ("*;q=0.0", 5000, False),
        ("br", 5000, False),
        ("", 5000, False),
        ("gzip", 100, False),
    ],
)
def test_large_answers_are_compressed_for_callers_who_take_that(accepted: str, size: int, compressed: bool) -> None:
    """An answer over some kB goes out as gzip where the caller accepts it; small ones never do."""
    fhir = Fhir()
    fhir.interactions.body = b'{"resourceType":"Basic","id":"' + b"x" * size + b'"}'
    reply = request(fhir.app, "GET", "/fhir/Basic/1", headers={"Accept-Encoding": accepted})
    assert (reply.headers.get("content-encoding") == "gzip") == compressed
    assert (gzip.decompress(reply.body) if compressed else reply.body) == fhir.interactions.body
    assert reply.headers["content-length"] == str(len(reply.body))


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


def test_pretty_indents_xml() -> None:
    """_pretty=true holds for both formats."""
    fhir = Fhir()
    assert b"\n  <id" in request(fhir.app, "GET", "/fhir/Basic/1?_format=xml&_pretty=true").body
    assert b"\n" not in request(fhir.app, "GET", "/fhir/Basic/1?_format=xml").body


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
