"""Reading FHIR XML."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError, Issue
from healix_fhir.model import json
from healix_fhir.model.xml.decode import decode

NS = 'xmlns="http://hl7.org/fhir"'
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def patient(inner: str) -> dict[str, Any]:
    """The Patient with these children, without its type."""
    resource = decode(f"<Patient {NS}>{inner}</Patient>".encode())
    assert resource.pop("resourceType") == "Patient"
    return resource


def issues(body: str | bytes) -> tuple[Issue, ...]:
    """The issues for which a document is refused."""
    with pytest.raises(HealixError) as refused:
        decode(body.encode() if isinstance(body, str) else body)
    assert refused.value.category is Category.INVALID
    return refused.value.issues


@pytest.mark.spec("FHIR R4 xml.html#root")
@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ('<id value="p1"/>', {"id": "p1"}),
        ('<active value="true"/>', {"active": True}),
        ('<multipleBirthInteger value="+2"/>', {"multipleBirthInteger": 2}),
        ('<name id="n"><family value="Ä&amp;&#10;b"/></name>', {"name": [{"id": "n", "family": "Ä&\nb"}]}),
        (
            '<birthDate id="b" value="1970"><extension url="u"><valueDecimal value="1.50"/></extension></birthDate>',
            {"birthDate": "1970", "_birthDate": {"id": "b", "extension": [{"url": "u", "valueDecimal": 1.5}]}},
        ),
        (
            '<name><given value="A"/><given id="g"><extension url="u"><valueUri value="c"/></extension></given></name>',
            {
                "name": [
                    {
                        "given": ["A", None],
                        "_given": [None, {"id": "g", "extension": [{"url": "u", "valueUri": "c"}]}],
                    }
                ]
            },
        ),
        (
            '<name><given><extension url="u"><valueCode value="c"/></extension></given></name>',
            {"name": [{"_given": [{"extension": [{"url": "u", "valueCode": "c"}]}]}]},
        ),
        (
            '<contained><Organization><id value="o"/></Organization></contained><active value="false"/>',
            {"contained": [{"resourceType": "Organization", "id": "o"}], "active": False},
        ),
        ("<!-- a --><active value='true'><!-- b --></active><?pi x?>", {"active": True}),
        ("\n  <active value='true'>\n</active>", {"active": True}),
        ("<active xmlns='http://hl7.org/fhir' value='true'/>", {"active": True}),
    ],
)
def test_elements_become_what_json_has(inner: str, expected: dict[str, Any]) -> None:
    """Attributes, arrays, extensions of primitives and contained resources are the JSON of the same resource."""
    assert patient(inner) == expected


@pytest.mark.spec("FHIR R4 json.html#primitive")
def test_numbers_keep_their_digits() -> None:
    """A decimal is read as JSON reads it: with every digit and exponent."""
    for text in ("1.50", "0.0000000", "-0.0", "1e5", "1E-10", "100", "12345678901234567890.10"):
        body = f'<Observation {NS}><valueQuantity><value value="{text}"/></valueQuantity></Observation>'
        assert json.encode(decode(body.encode())).endswith(f'{{"value":{text}}}}}'.encode())


@pytest.mark.spec("FHIR R4 xml.html#root")
def test_a_prefix_is_as_good_as_the_default_namespace() -> None:
    """What counts is the namespace, not its prefix."""
    body = b'<f:Patient xmlns:f="http://hl7.org/fhir"><f:active value="true"/></f:Patient>'
    assert decode(body) == {"resourceType": "Patient", "active": True}


@pytest.mark.spec("FHIR R4 xml.html#root")
@pytest.mark.parametrize(
    "div",
    [
        f"<div {XHTML}>a</div>",
        f"<div {XHTML}>a &amp; b &#233; <br></br><br/> '\"<!-- c --><![CDATA[<]]>\r\n\t</div>",
        f"<div {XHTML}><p>a /></p></div>",
        f"<div {XHTML}>a /></div>",
        f"<div {XHTML}/>",
        f"<div {XHTML}   ></div >",
        f'<div {XHTML} title="/>"></div>',
        f'<div {XHTML}><a href="b/"/></div>',
        '<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:p>a</h:p></h:div>',
    ],
)
def test_narrative_keeps_its_own_characters(div: str) -> None:
    """The div is the text that stands in the document, byte for byte."""
    assert patient(f'<text><status value="generated"/>{div}</text>')["text"]["div"] == div


@pytest.mark.parametrize(
    ("body", "div"),
    [
        (
            f'<Patient {NS} xmlns:h="http://www.w3.org/1999/xhtml"><text><h:div><h:p/>é</h:div></text></Patient>',
            '<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:p/>é</h:div>',
        ),
        (
            f'<f:Patient {XHTML} xmlns:f="http://hl7.org/fhir"><f:text><div a="1"/></f:text></f:Patient>',
            f'<div {XHTML} a="1"/>',
        ),
        (
            f'<f:Patient {XHTML} xmlns:f="http://hl7.org/fhir"><f:text><div {XHTML}/></f:text></f:Patient>',
            f"<div {XHTML}/>",
        ),
        (f'\ufeff<Patient {NS}><text x="1"/><text><div {XHTML}>é</div></text></Patient>', None),
        (f"\ufeff<Patient {NS}><text><div {XHTML}>é</div></text></Patient>", f"<div {XHTML}>é</div>"),
    ],
)
def test_narrative_stands_by_itself(body: str, div: str | None) -> None:
    """A declaration that stands outside the div comes into it, since JSON has only the div."""
    if div is None:
        assert issues(body)
    else:
        assert decode(body.encode())["text"]["div"] == div


@pytest.mark.spec("FHIR R4 xml.html#root")
@pytest.mark.parametrize(
    ("body", "location", "part"),
    [
        (f"<Patient {NS}>\n<nothing/></Patient>", "Patient", "unknown element 'nothing' in Patient (line 2)"),
        (f'<Patient {NS}><active xmlns="urn:x" value="true"/></Patient>', "Patient", "namespace 'urn:x'"),
        (f"<Patient {NS}><active value='yes'/></Patient>", "Patient.active", "'yes' is no boolean"),
        (f"<Patient {NS}><active/></Patient>", "Patient.active", "must have a value"),
        (f"<Patient {NS}><active value=''/></Patient>", "Patient.active", "attribute 'value' is empty"),
        (f"<Patient {NS}><active value='true' x='1'/></Patient>", "Patient.active", "unknown attribute 'x'"),
        (f"<Patient {NS}>text</Patient>", "Patient", "no text"),
        (f"<Patient {NS}><name/></Patient>", "Patient.name[0]", "must have a value"),
        (f"<Patient {NS}><name value='x'/></Patient>", "Patient.name[0]", "unknown attribute 'value'"),
        (
            f"<Patient {NS}><gender value='male'/><active value='true'/></Patient>",
            "Patient.active",
            "'active' is out of order: it comes before 'gender'",
        ),
        (
            f"<Patient {NS}><gender value='male'/><gender value='male'/></Patient>",
            "Patient.gender",
            "'gender' does not repeat",
        ),
        (
            f"<Patient {NS}><deceasedBoolean value='true'/><deceasedDateTime value='2020'/></Patient>",
            "Patient.deceased",
            "'deceased[x]' has several types",
        ),
        (f"<Patient {NS}><name><given value='a'/><given x='1'/></name></Patient>", "Patient.name[0].given[1]", "'x'"),
        (f"<Patient {NS}><contained><Nobody/></contained></Patient>", "Patient.contained[0]", "no resource type"),
        (
            f"<Patient {NS}><contained><Patient/><Patient/></contained></Patient>",
            "Patient.contained[0]",
            "more than one resource",
        ),
        (f"<Patient {NS}><contained/></Patient>", "Patient.contained[0]", "must have"),
        (f"<Patient {NS} id='1'/>", "Patient", "unknown attribute 'id'"),
        (f"<Patient {NS}><extension><url value='a'/></extension></Patient>", "Patient.extension[0]", "'url'"),
        (
            f'<Patient {NS} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"/>',
            "Patient",
            "unknown attribute 'schemaLocation'",
        ),
        (f"<Patient {NS}><text><div>x</div></text></Patient>", "Patient.text", "'div' is in the namespace"),
        (f"<Observation {NS}><valueQuantity><value value='1.'/></valueQuantity></Observation>",
         "Observation.value.value", "'1.' is no decimal"),
        (f"<Patient {NS}><multipleBirthInteger value='01'/></Patient>", "Patient.multipleBirth", "is no integer"),
        (f"<Patient {NS}><multipleBirthInteger value='+-1'/></Patient>", "Patient.multipleBirth", "is no integer"),
        (f"<Patient {NS}><multipleBirthInteger value='{'1' * 5000}'/></Patient>", "Patient.multipleBirth", "integer"),
    ],
)  # fmt: skip
def test_what_is_no_fhir_is_refused_with_its_place(body: str, location: str, part: str) -> None:
    """Every fault of form is an issue with the FHIRPath of its element and the line it stands on."""
    found = [issue for issue in issues(body) if issue.expression == (location,)]
    assert any(part in issue.message and "(line " in issue.message for issue in found), issues(body)


def test_every_issue_is_reported_at_once() -> None:
    """One reading tells all that is wrong, in the order of the document, and nothing twice."""
    found = issues(f"<Patient {NS}>\n<active value='yes'/>\n<nothing><deeper/>text</nothing>\n<gender/></Patient>")
    assert [issue.message.rpartition("(")[2] for issue in found] == ["line 2)", "line 3)", "line 4)"]


def test_issues_are_capped() -> None:
    """A body of a million faults is answered with a thousand."""
    assert len(issues(f"<Patient {NS}>{'<x/>' * 5000}</Patient>")) == 1000


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<Patient", "malformed XML"),
        (b"<a></b>", "root"),
        (f"<Patient {NS}><active></Patient>".encode(), "malformed XML: mismatched tag (line 1"),
        (b"<Patient/>", "namespace"),
        (f"<Nobody {NS}/>".encode(), "'Nobody' is no resource type"),
        (b'<!DOCTYPE Patient><Patient xmlns="http://hl7.org/fhir"/>', "document type"),
        (b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><Patient><id value="&b;"/></Patient>', "document type"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "document type"),
        (f'<Patient {NS}><language value="&nbsp;"/></Patient>'.encode(), "malformed XML: undefined entity"),
        (f'<Patient {NS}><language value="\xe9"/></Patient>'.encode("latin-1"), "malformed XML"),
        (f'<?xml version="1.0" encoding="ISO-8859-1"?><Patient {NS}/>'.encode(), "UTF-8"),
        (f"<Patient {NS}/>".encode("utf-16"), "UTF-8"),
        (f"<Patient {NS}/>".encode("utf-16-be"), "UTF-8"),
        (f'<Patient {NS}><language value="&#0;"/></Patient>'.encode(), "malformed XML"),
        (f'<Patient {NS}><language value="&#xD800;"/></Patient>'.encode(), "malformed XML"),
        (f"<Patient {NS}><p:id value='1'/></Patient>".encode(), "malformed XML: unbound prefix"),
        (f"<Patient {NS}/><Patient/>".encode(), "malformed XML"),
        (f"<Patient {NS}>{'<extension>' * 200}".encode(), "nested deeper than 128"),
    ],
)  # fmt: skip
def test_hostile_and_broken_documents_are_refused(body: bytes, part: str) -> None:
    """No document type, entity, other encoding or bottomless nesting is ever looked into."""
    (issue,) = issues(body)
    assert part in issue.message


def test_a_narrative_may_be_deep() -> None:
    """The depth that is limited is that of FHIR elements."""
    div = f"<div {XHTML}>{'<b>' * 500}x{'</b>' * 500}</div>"
    assert patient(f"<text><status value='generated'/>{div}</text>")["text"]["div"] == div


@pytest.mark.parametrize(
    ("count", "uri", "part"),
    [(100, "urn:x", "more than 64 namespace prefixes"), (9, "http://www.w3.org/1999/xhtml", "more than 8 prefixes")],
)
def test_narratives_do_not_grow_by_declarations(count: int, uri: str, part: str) -> None:
    """Declarations are looked at, and added, for each narrative: there are few of them."""
    declared = " ".join(f'xmlns:a{number}="{uri}"' for number in range(count))
    body = f"<Patient {NS} {declared}><text><status value='generated'/><div {XHTML}>x</div></text></Patient>".encode()
    (issue,) = issues(body)
    assert part in issue.message


def test_decimals_are_decimals() -> None:
    """Values of decimal elements that have a point are Decimal, as the JSON reader gives them."""
    found = decode(f"<Observation {NS}><valueQuantity><value value='7.10'/></valueQuantity></Observation>".encode())
    assert type(found["valueQuantity"]["value"]) is Decimal
