"""What the terms of Body Part Examined mean, and the region of an object."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pydicom.sr.codedict import codes

from dicomweb.index.body_parts import BODY_PARTS, body_part
from dicomweb.index.regions import Region, columns, encoded, region


def item(value: str, meaning: str = "Chest", scheme: str = "SCT", tag: str = "00080100") -> dict[str, Any]:
    """An item of a code sequence."""
    parts = {tag: value, "00080102": scheme, "00080104": meaning}
    return {key: {"vr": "SH", "Value": [one]} for key, one in parts.items()}


def sequence(*items: dict[str, Any]) -> dict[str, Any]:
    """A sequence."""
    return {"vr": "SQ", "Value": list(items)}


@pytest.mark.spec("PS3.16 Annex L")
def test_terms_are_those_of_the_standard() -> None:
    """Sixteen characters, capitals and digits; another reader of the standard has the same codes for common ones."""
    assert len(BODY_PARTS) == 313
    assert all(len(term) <= 16 and term.isalnum() and term == term.upper() for term in BODY_PARTS)
    assert all(part.code.isdigit() and part.meaning for part in BODY_PARTS.values())
    common = {
        "ABDOMEN": codes.cid4031.Abdomen,
        "CHEST": codes.cid4031.Chest,
        "CTSPINE": codes.cid4031.CervicoThoracicSpine,
        "HIP": codes.cid4031.HipJoint,
        "LOWERLEG": codes.cid4031.LowerLeg,
        "NECKCHESTABDPELV": codes.cid4031.NeckChestAbdomenAndPelvis,
        "PELVIS": codes.cid4031.Pelvis,
        "SSPINE": codes.cid4031.Sacrum,
        "THORAX": codes.cid4.Thorax,
        "WHOLEBODY": codes.cid4031.EntireBody,
    }
    assert {term: BODY_PARTS[term].code for term in common} == {term: one.value for term, one in common.items()}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("CHEST", "816094009"),
        (" Chest ", "816094009"),
        ("c-spine", "122494005"),
        ("HEAD_NECK", "774007"),
        ("ARM", None),
        ("CHEST\\ABDOMEN", None),
        ("", None),
        (None, None),
        ("CHEST" * 99, None),
    ],
)
def test_terms_are_found_however_they_are_written(value: str | None, code: str | None) -> None:
    """Case, spaces and hyphens do not count; what is no term means nothing."""
    found = body_part(value)
    assert (found and found.code) == code


@pytest.mark.spec("PS3.3 C.7.6.16.2.8")
def test_the_region_of_an_object() -> None:
    """Its own sequence; else that which its frames share; else what its body part means; without a code, none."""
    own, shared = sequence(item("1")), sequence(item("2", tag="00080119"))
    groups = sequence({"00209071": sequence({"00082218": shared})})
    assert region({"00082218": own, "52009229": groups}, "CHEST", None) == Region("1", "SCT", "Chest")
    assert region({"00082218": {"vr": "SQ"}, "52009229": groups}, "CHEST", None).code == "2"
    assert region({"00082218": sequence(item(""))}, "Heart", "L") == Region("80891009", "SCT", "Heart")
    assert region({"00082218": {"vr": "SQ", "Value": ["x"]}, "52009229": {"vr": "UN"}}, "x", "") == Region()


def test_a_term_of_the_other_side_is_none() -> None:
    """What is left of who was looked at from the right, or the other way round, is not known."""
    assert [bool(body_part("LLQ", side)) for side in (None, "", "L", "R", "B", " R ")] == [1, 1, 1, 0, 1, 0]
    assert [bool(body_part("RUQ", side)) for side in ("L", "R")] == [False, True]
    given = {0x00180015: b'{"vr":"CS","Value":["LLQ"]}', 0x00200060: b'{"vr":"CS","Value":["R"]}'}
    assert columns(given)["region_code"] == ""
    assert columns(given | {0x00200060: b'{"vr":"CS"}'})["region_code"] == "68505006"


def test_long_sequences_are_read_and_not_remembered() -> None:
    """What a sender makes long takes no memory for longer."""
    long = sequence(item("5", "x" * 5000), item("6"))
    assert columns({0x00082218: msgspec.json.encode(long)})["region_code"] == "5"


def test_a_code_that_no_index_holds_is_none() -> None:
    """The object is stored all the same, and what its body part means is not said in its stead."""
    for length, kept in ((512, True), (513, False), (20_000, False)):
        given = {0x00082218: msgspec.json.encode(sequence(item("9" * length, tag="00080119")))}
        given[0x00180015] = b'{"vr":"CS","Value":["CHEST"]}'
        assert columns(given)["region_code"] == "9" * length * kept


def test_columns_hold_what_can_be_listed() -> None:
    """A region's parts have no character that stands between them."""
    given = {0x00082218: msgspec.json.encode(sequence(item("1\\2", "a\nb\0"))), 0x00180015: b'{"vr":"CS"}'}
    assert columns(given) == {"region_code": "1 2", "region_scheme": "SCT", "region_meaning": "a b"}
    assert columns({0x00180015: b'{"vr":"CS","Value":[null]}'})["region_code"] == ""


@pytest.mark.spec("PS3.3 Table 8.8-1")
def test_listed_regions_are_items() -> None:
    """Each code once; long ones and URNs in the attributes that are for them; nothing of what is not said."""
    found = msgspec.json.decode(encoded("1\\SCT\\A\n1\\SCT\\B\n1\\X\\\n" + "9" * 17 + "\\SCT\\C\nurn:x\\\\D"))["Value"]
    assert [{key: one["Value"][0] for key, one in item.items()} for item in found] == [
        {"00080100": "1", "00080102": "SCT", "00080104": "A"},
        {"00080100": "1", "00080102": "X"},
        {"00080119": "9" * 17, "00080102": "SCT", "00080104": "C"},
        {"00080120": "urn:x", "00080104": "D"},
    ]
    assert encoded(None) == b'{"vr":"SQ"}'
