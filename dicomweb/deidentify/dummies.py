"""Values that stand where one must be and none may be kept: the same for everyone, and true to their representation.

Spec: PS3.15 E.1.1 (2026c), PS3.5 Table 6.2-1 (2024d)
"""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset

WORD = "Removed"
TEXTS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
VALUES: dict[str, Any] = {
    **dict.fromkeys(TEXTS, WORD),
    **dict.fromkeys(("AE", "CS"), WORD.upper()),
    "AS": "000Y",
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    **dict.fromkeys(("DS", "IS"), "0"),
    **dict.fromkeys(("FD", "FL"), 0.0),
    **dict.fromkeys(("SL", "SS", "SV", "UL", "US", "UV", "AT"), 0),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), bytes(8)),
    "UR": "urn:removed",
}
CODE = ("REMOVED", "99HEALIX", WORD)


def dummy(vr: str) -> Any:
    """A value of that representation; for a UID there is none, as it must be told apart from others."""
    return VALUES[vr]


def coded() -> Dataset:
    """The item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = CODE
    return item


def content() -> Dataset:
    """A content item that says nothing. Spec: PS3.3 C.17.3 (2024d)"""
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence = [coded()]
    item.TextValue = WORD
    return item


def observer() -> Dataset:
    """A verifying observer who is nobody. Spec: PS3.3 C.17.2 (2024d)"""
    item = Dataset()
    item.VerifyingOrganization = item.VerifyingObserverName = WORD
    item.VerificationDateTime = VALUES["DT"]
    item.VerifyingObserverIdentificationCodeSequence = []
    return item


def operator() -> Dataset:
    """A person who is nobody, as operators are identified. Spec: PS3.3 Table 10-1 (2024d)"""
    item = Dataset()
    item.PersonIdentificationCodeSequence = [coded()]
    item.InstitutionName = WORD
    return item


ITEMS = {
    "ContentSequence": content,
    "VerifyingObserverSequence": observer,
    "OperatorIdentificationSequence": operator,
    "PersonIdentificationCodeSequence": coded,
    "InstitutionCodeSequence": coded,
}
"""By sequence: what makes its one item. Of others that must have one it is empty."""
