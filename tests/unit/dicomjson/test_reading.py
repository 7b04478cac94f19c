"""DICOM JSON that comes in: what is taken, how it is brought into one form, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dicomweb.dicomjson.reading import DEPTH_LIMIT, MEMBER_LIMIT, checked, read
from healix_fhir.kernel.errors import Category, HealixError

SPEC = pytest.mark.spec("PS3.18 F.2.2")


@SPEC
@pytest.mark.parametrize(
    ("tag", "given", "expected"),
    [
        ("00100020", {"vr": "LO", "Value": [" id "]}, {"vr": "LO", "Value": ["id"]}),
        ("00100020", {"vr": "LO", "Value": []}, {"vr": "LO"}),
        ("00100020", {"vr": "LO", "Value": [""]}, {"vr": "LO"}),
        ("00080008", {"vr": "CS", "Value": ["A", None, "B"]}, {"vr": "CS", "Value": ["A", None, "B"]}),
        ("00200013", {"vr": "IS", "Value": ["+7"]}, {"vr": "IS", "Value": [7]}),
        ("00101030", {"vr": "DS", "Value": ["70.50", 3]}, {"vr": "DS", "Value": ["70.50", 3]}),
        ("00100010", {"vr": "PN", "Value": [{"Alphabetic": "A^B^^ "}]}, {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}),
        ("0020000D", {"vr": "UI", "Value": ["1.2\x00"]}, {"vr": "UI", "Value": ["1.2"]}),
        ("00400400", {"vr": "LT", "Value": [" a\r\nb\\c "]}, {"vr": "LT", "Value": [" a\r\nb\\c"]}),
        ("00281052", {"vr": "DS", "Value": [1.5]}, {"vr": "DS", "Value": [1.5]}),
        ("00280106", {"vr": "SS", "Value": [-3]}, {"vr": "SS", "Value": [-3]}),
        ("00189601", {"vr": "SQ", "Value": [{}]}, {"vr": "SQ", "Value": [{}]}),
        ("00420011", {"vr": "OB", "InlineBinary": "AAE="}, {"vr": "OB", "InlineBinary": "AAE="}),
        ("00720026", {"vr": "AT", "Value": ["0010001a"]}, {"vr": "AT", "Value": ["0010001A"]}),
        ("00091001", {"vr": "SH", "Value": ["x"]}, {"vr": "SH", "Value": ["x"]}),
    ],
)
def test_values_are_brought_into_one_form(tag: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Padding goes, numbers in text become numbers where nothing is lost, what is empty has no Value."""
    assert checked({tag: given}) == {tag: expected}


def test_elements_come_in_order_with_their_tags_in_capitals() -> None:
    """Whatever the order in which they were sent, also inside of sequences."""
    given = {"0040a370": {"vr": "SQ", "Value": [{"0020000D": {"vr": "UI"}, "00080050": {"vr": "SH"}}]},
             "00100020": {"vr": "LO"}}  # fmt: skip
    found = checked(given)
    assert list(found) == ["00100020", "0040A370"]
    assert list(found["0040A370"]["Value"][0]) == ["00080050", "0020000D"]


BAD: list[tuple[str, Any, str]] = [
    ("1000", {"vr": "LO"}, "no tag"),
    ("PatientID", {"vr": "LO"}, "no tag"),
    ("00100020", "id", "PatientID is no object"),
    ("00100020", {"Value": ["x"]}, "PatientID has no value representation"),
    ("00100020", {"vr": "XX", "Value": ["x"]}, "no value representation"),
    ("00100020", {"vr": "SH", "Value": ["x"]}, "PatientID is of VR LO, not SH"),
    ("00100020", {"vr": "LO", "Value": "x"}, "needs an array"),
    ("00100020", {"vr": "LO", "Value": [7]}, "a value of PatientID is no LO"),
    ("00100020", {"vr": "LO", "Value": ["a\x00b"]}, "is no LO"),
    ("00100020", {"vr": "LO", "Value": ["a\\b"]}, "is no LO"),
    ("00100020", {"vr": "LO", "Value": ["x" * 65]}, "is no LO"),
    ("00100020", {"vr": "LO", "Value": ["\ud800"]}, "is no LO"),
    ("00100020", {"vr": "LO", "BulkDataURI": "http://x"}, "BulkDataURI"),
    ("00100040", {"vr": "CS", "Value": ["female"]}, "is no CS"),
    ("00100030", {"vr": "DA", "Value": ["1970-01-01"]}, "is no DA"),
    ("00100030", {"vr": "DA", "Value": ["19701301"]}, "is no DA"),
    ("00080030", {"vr": "TM", "Value": ["2460"]}, "is no TM"),
    ("00404005", {"vr": "DT", "Value": ["2024010"]}, "is no DT"),
    ("0020000D", {"vr": "UI", "Value": ["1.02"]}, "is no UI"),
    ("00200013", {"vr": "IS", "Value": ["1.5"]}, "is no IS"),
    ("00200013", {"vr": "IS", "Value": [1 << 31]}, "is no IS"),
    ("00280010", {"vr": "US", "Value": [-1]}, "is no US"),
    ("00280010", {"vr": "US", "Value": [True]}, "is no US"),
    ("00101030", {"vr": "DS", "Value": ["1e"]}, "is no DS"),
    ("00100010", {"vr": "PN", "Value": ["A^B"]}, "is no PN"),
    ("00100010", {"vr": "PN", "Value": [{"Latin": "A"}]}, "is no PN"),
    ("00100010", {"vr": "PN", "Value": [{"Alphabetic": "A=B"}]}, "is no PN"),
    ("0040A370", {"vr": "SQ", "Value": ["x"]}, "is no item"),
    ("0040A370", {"vr": "SQ", "Value": [{"00080050": {"vr": "SH", "Value": [1]}}]}, r"Sequence\[0\]\.AccessionNumber"),
    ("00420011", {"vr": "OB", "InlineBinary": "AAE"}, "base64"),
    ("00420011", {"vr": "OB", "Value": [1]}, "base64"),
]


@SPEC
@pytest.mark.parametrize(("tag", "member", "message"), BAD)
def test_what_no_element_can_hold_is_refused_by_name(tag: str, member: Any, message: str) -> None:
    """The refusal names the element, and never repeats the value."""
    with pytest.raises(HealixError, match=message) as refused:
        checked({tag: member})
    assert refused.value.category is Category.INVALID


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"7", "one data set"),
        (b"[]", "one data set"),
        (b"[{},{}]", "one data set"),
        (b"[[]]", "one data set"),
        (b'{"00100020":{"vr":"LO"},"00100020":{"vr":"LO"}}', "same key twice"),
        (b'{"0040A370":{"vr":"SQ"},"0040a370":{"vr":"SQ"}}', "there twice"),
        (b'{"00101030":{"vr":"DS","Value":[NaN]}}', "no number of JSON"),
        (b'{"00101030":{"vr":"DS","Value":[1e999]}}', "is no DS"),
        (b"\xff", "UTF-8"),
        (b"[" * 100_000, "deep"),
    ],
)
def test_a_body_that_is_no_data_set_is_refused(body: bytes, message: str) -> None:
    """Also where JSON readers differ about what it says."""
    with pytest.raises(HealixError, match=message) as refused:
        read(body)
    assert refused.value.category is Category.INVALID


def test_a_lone_data_set_may_stand_in_an_array() -> None:
    """Both forms are sent."""
    one = {"00100020": {"vr": "LO", "Value": ["x"]}}
    assert read(json.dumps(one).encode()) == read(json.dumps([one]).encode()) == one


def test_depth_and_number_of_elements_are_limited() -> None:
    """What is nested too deep or has too many elements is refused before it costs anything."""
    deep: dict[str, Any] = {"00100020": {"vr": "LO"}}
    for _ in range(DEPTH_LIMIT):
        deep = {"0040A370": {"vr": "SQ", "Value": [deep]}}
    with pytest.raises(HealixError, match="nested more than"):
        checked(deep)
    with pytest.raises(HealixError, match="more than") as refused:
        checked({"0040A370": {"vr": "SQ", "Value": [{}] * MEMBER_LIMIT}})
    assert refused.value.category is Category.TOO_LARGE
