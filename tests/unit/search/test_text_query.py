"""Reading what full text is asked for, and the words of a text."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.search.content import full_text
from healix_fhir.search.query import parse
from healix_fhir.search.text_query import TextQueryError, text_query
from healix_fhir.search.words import LONGEST, ROOM, vector, words

pytestmark = pytest.mark.spec("FHIR R4 search.html#content")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("liver", "('liver')"),
        ("Liver bone", "(('liver') & ('bone'))"),
        ("liver AND bone", "(('liver') & ('bone'))"),
        ("liver or bone", "(('liver') | ('bone'))"),
        ("liver,bone", "(('liver') | ('bone'))"),
        (r"liver\,bone", "('liver' <-> 'bone')"),
        ("(bone OR liver) and metastases", "((('bone') | ('liver')) & ('metastases'))"),
        ("a b or c d", "((('a') & ('b')) | (('c') & ('d')))"),
        ('"bone metastases, late" x', "(('bone' <-> 'metastases' <-> 'late') & ('x'))"),
        ('"or"', "('or')"),
        ("liver -bone", "(('liver') & !(('bone')))"),
        ("liver not (bone or skin)", "(('liver') & !((('bone') | ('skin'))))"),
        ("pre - post", "(('pre') & ('post'))"),
        ("X-ray", "('x' <-> 'ray')"),
        ("fev*", "('fev':*)"),
        ("heart-fail*", "('heart' <-> 'fail':*)"),
        ("GRÖSSE größe", "(('grosse') & ('grosse'))"),
        ("肝臓", "('肝' <-> '臓')"),
        ("'; & | ! <-> drop", "('drop')"),
    ],
)
def test_a_query_is_read(asked: str, expected: str) -> None:
    """Words, phrases, alternatives, exclusions, groups and endings; every other sign parts words."""
    assert text_query(asked) == expected


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("", "no word"), ("&", "no word"), ("and", "no word"), ("()", "no word"),
        ("-liver", "to be found"), ("liver or -bone", "to be found"), ("not not liver", "to be found"),
        ("(liver", "not closed"), ("liver)", "not opened"), ('"liver', "quotation"), ("liver not", "NOT"),
        ("liver\\", "backslash"), ("f*", "letters"), ("(" * 20 + "a" + ")" * 20, "16 times"),
        (" ".join(["a"] * 65), "64 words"), ("a" * 1001, "1000"),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_for_is_refused_with_the_reason(asked: str, reason: str) -> None:
    """Also what would be answered by reading everything: what is only not to be found."""
    with pytest.raises(TextQueryError, match=reason):
        text_query(asked)


@pytest.mark.parametrize("asked", ["_text:exact=a", "_content:contains=a", "_text:missing=1", "_text=(a", "_text:=a"])
def test_a_refusal_names_the_parameter(asked: str) -> None:
    """Bad modifiers and values are the caller's."""
    name, _, value = asked.partition("=")
    with pytest.raises(HealixError, match=name.partition(":")[0]) as refusal:
        parse("Patient", [(name, value)])
    assert refusal.value.category is Category.INVALID


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AST/ALT: 1.5", "ast alt 1 5"),
        ("Ménière's disease", "meniere s disease"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("発熱あり fever2", "発 熱 あ り fever2"),
        ("a_b", "a b"),
        ("x" * 100, "x" * LONGEST),
    ],
)
def test_words_are_runs_of_letters_and_digits(text: str, expected: str) -> None:
    """Folded, in any script; of scripts without spaces each character."""
    assert list(words(text)) == expected.split()


def test_a_long_text_keeps_the_words_that_there_is_room_for() -> None:
    """PostgreSQL would refuse more than a megabyte."""
    literal = vector((" ".join(f"word{n}" for n in range(200_000)),), "_1")
    assert ROOM - 100 < len(literal) <= ROOM + 3


def test_what_is_text() -> None:
    """Names, codes, displays and notes, and those of contained resources; no ids, dates, addresses, markup or data."""
    ((narrative, content),) = full_text(
        {
            "resourceType": "Patient",
            "id": "pat1",
            "meta": {"source": "meta1"},
            "text": {"status": "generated", "div": '<div xmlns="x"><p title="t1">F<b>i</b>rst<br/>line</p>two</div>'},
            "contained": [
                {"resourceType": "Organization", "id": "org1", "name": "Inner", "text": {"div": "<p>in</p>"}}
            ],
            "identifier": [{"system": "http://sys1", "value": "MRN-7"}],
            "name": [{"given": ["Ada", "Eve"]}],
            "birthDate": "1815-12-10",
            "deceasedDateTime": "1852-11-27T10:00:00Z",
            "maritalStatus": {"text": "1835-07-08 wed"},
            "extension": [{"url": "http://e1", "valueUri": "urn:u1"}, {"url": "e2", "valueString": "8867-4"}],
            "photo": [{"data": "QUJD", "title": "Face"}],
            "managingOrganization": {"reference": "#org1", "display": "Clinic"},
        },
        "Patient",
    )
    assert narrative is not None
    assert [word.partition(":")[0] for word in narrative.split()] == ["first", "line", "two", f"_{TYPE_ID['Patient']}"]
    found = " ".join(word.partition(":")[0] for word in content.split())
    assert (
        found
        == f"first line two generated in inner mrn 7 ada eve 1835 07 08 wed 8867 4 face clinic _{TYPE_ID['Patient']}"
    )
