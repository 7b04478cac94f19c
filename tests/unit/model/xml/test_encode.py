"""Writing FHIR XML."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model import json
from healix_fhir.model.xml.encode import encode
from tests.support.resources import patient

NS = 'xmlns="http://hl7.org/fhir"'
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


def written(text: str) -> str:
    """The XML of a resource given as JSON, without the declaration."""
    document = encode(json.decode(text.encode())).decode()
    assert document.startswith(HEAD)
    return document.removeprefix(HEAD)


@pytest.mark.spec("FHIR R4 xml.html#root")
@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ('{"resourceType":"Patient"}', f"<Patient {NS}/>"),
        (
            '{"gender":"male","active":true,"id":"p","resourceType":"Patient"}',
            f'<Patient {NS}><id value="p"/><active value="true"/><gender value="male"/></Patient>',
        ),
        (
            '{"resourceType":"Patient","name":[{"given":["A",null],"_given":[null,{"id":"g"}],"id":"n"}]}',
            f'<Patient {NS}><name id="n"><given value="A"/><given id="g"/></name></Patient>',
        ),
        (
            '{"resourceType":"Basic","_created":{"extension":[{"valueDecimal":1.50,"url":"u"}]}}',
            f'<Basic {NS}><created><extension url="u"><valueDecimal value="1.50"/></extension></created></Basic>',
        ),
        (
            '{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Basic","id":"b"}}]}',
            f'<Bundle {NS}><entry><resource><Basic><id value="b"/></Basic></resource></entry></Bundle>',
        ),
        (
            '{"resourceType":"Patient","text":{"div":"<div>&amp;<br/></div>","status":"empty"}}',
            f'<Patient {NS}><text><status value="empty"/><div>&amp;<br/></div></text></Patient>',
        ),
    ],
)
def test_json_becomes_elements_in_the_order_of_the_definition(resource: str, expected: str) -> None:
    """Order, attributes, digits, primitives' extensions, nested resources and narrative are as the format has them."""
    assert written(resource) == expected


def test_every_character_that_xml_can_hold_survives_an_attribute() -> None:
    """Markup is escaped, and whitespace too, which would come back as blanks."""
    text = "a&b<c>\"d'\t\n\r\u0085\u2028é😀"
    resource: dict[str, Any] = {"resourceType": "Patient", "language": text}
    assert ET.fromstring(encode(resource))[0].get("value") == text


@pytest.mark.parametrize("text", ["\x00", "\x0b", "\ufffe", "\uffff", "a\x1fb"])
@pytest.mark.parametrize("element", ["language", "div"])
def test_a_character_that_xml_lacks_is_refused(text: str, element: str) -> None:
    """The answer is that JSON must be asked for, never another text or a broken document."""
    resource: dict[str, Any] = {"resourceType": "Patient"}
    resource |= {"text": {"div": f"<div>{text}</div>"}} if element == "div" else {"language": text}
    with pytest.raises(HealixError, match="ask for JSON") as refused:
        encode(resource)
    assert refused.value.category is Category.NOT_ACCEPTABLE


def test_pretty_gives_each_element_a_line_and_leaves_the_narrative() -> None:
    """Indentation stands between FHIR elements only."""
    resource = patient()
    lines = encode(resource, pretty=True).decode().splitlines()
    assert lines[1:4] == [f"<Patient {NS}>", "  <text>", '    <status value="generated"/>']
    assert f"    {resource['text']['div']}" in lines
    assert "".join(line.strip() for line in lines) == encode(resource).decode()
