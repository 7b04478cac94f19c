"""Which of the forms in a table a caller takes."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from dicomweb.api.accept import ATTRIBUTES, INSTANCE, Offer, acceptable, check_charset, model_type
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.media_types import parse_accept

RELATED = "multipart/related"
DICOM, JSON, XML = "application/dicom", "application/dicom+json", "application/dicom+xml"


def asking(query: str = "", **headers: str) -> Request:
    """A request with a query and headers, whose names have - where there is _."""
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "query_string": query.encode(), "headers": listed})


@pytest.mark.spec("PS3.18 8.7.8.1")
@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", [Offer(JSON), Offer("application/json"), Offer(XML, parts=True)]),
        ("application/*", [Offer(JSON), Offer("application/json")]),
        ("application/json;q=0.5, application/dicom+json", [Offer(JSON), Offer("application/json")]),
        (f"{JSON};q=0.1, */*;q=0.5", [Offer("application/json"), Offer(XML, parts=True), Offer(JSON)]),
        (f"{JSON};q=0, */*", [Offer("application/json"), Offer(XML, parts=True)]),
        (f"*/*;q=0, {RELATED}", [Offer(XML, parts=True)]),
        (f'{RELATED}; type="image/jpeg", {JSON}', [Offer(JSON)]),
        (f"{RELATED};type={XML}", [Offer(XML, parts=True)]),
        (f'{RELATED}; type="application/*"', [Offer(XML, parts=True)]),
        (XML, []),
        ("text/html", []),
    ],
)
def test_the_most_wanted_form_comes_first(accept: str, expected: list[Offer]) -> None:
    """Weights decide, of the most specific range for each form; then the caller's order, then the table's."""
    assert [offer for offer, _ in acceptable(parse_accept(accept), ATTRIBUTES)] == expected


@pytest.mark.parametrize("syntax", ['"1.2.3"', "1.2.3"])
def test_the_range_of_a_form_names_its_transfer_syntax(syntax: str) -> None:
    """A transfer syntax may be quoted or not, and stands in as many ranges as there are."""
    listed = parse_accept(f'{RELATED}; type="{DICOM}"; transfer-syntax={syntax}, {DICOM}; transfer-syntax=*')
    found = [(offer, media.parameters["transfer-syntax"]) for offer, media in acceptable(listed, INSTANCE)]
    assert found == [(Offer(DICOM, parts=True), "1.2.3"), (Offer(DICOM), "*")]


def test_the_parameter_wins_over_the_header() -> None:
    """`accept` in the query counts before the header, also where its plus is not escaped."""
    assert model_type(asking("accept=application/json", accept=JSON)) == "application/json"
    for plus in ("+", "%2B"):
        asked = f"accept=multipart/related;type=application/dicom{plus}xml,+application/zip"
        assert model_type(asking(asked, accept=JSON)) == XML


@pytest.mark.spec("PS3.18 8.8")
@pytest.mark.parametrize(
    ("query", "header", "taken"),
    [
        ("", "", True),
        ("charset=utf-8", "", True),
        ("charset=iso-8859-1,UTF-8;q=0.3", "", True),
        ("", "iso-8859-1, *;q=0.1", True),
        ("charset=ISO_IR%20192", "latin1", True),
        ("charset=ISO_IR%20100", "", False),
        ("", "utf-8;q=0.0, latin1", False),
    ],
)
def test_text_is_in_utf_8(query: str, header: str, taken: bool) -> None:
    """Whoever takes no UTF-8 is refused, by the parameter or else by the header."""
    request = asking(query, **({"accept_charset": header} if header else {}))
    if taken:
        check_charset(request)
        return
    with pytest.raises(HealixError) as caught:
        check_charset(request)
    assert caught.value.category is Category.INVALID
