"""What may be written over in stored objects: the attributes that say whose they are and of which examination.

Spec: PS3.3 C.7.1.1, C.7.2.1 and C.7.5.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dicomweb.dicomjson.reading import GROUPS, checked
from healix_fhir.kernel.errors import invalid

LABELS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "PatientName": (0x00100010, "PN"),
        "PatientID": (0x00100020, "LO"),
        "IssuerOfPatientID": (0x00100021, "LO"),
        "PatientBirthDate": (0x00100030, "DA"),
        "PatientSex": (0x00100040, "CS"),
        "StudyDate": (0x00080020, "DA"),
        "StudyTime": (0x00080030, "TM"),
        "AccessionNumber": (0x00080050, "SH"),
        "StudyID": (0x00200010, "SH"),
        "StudyDescription": (0x00081030, "LO"),
        "ReferringPhysicianName": (0x00080090, "PN"),
        "InstitutionName": (0x00080080, "LO"),
    }
)
"""Tag and representation by keyword. An empty value empties the attribute."""

OF_PATIENT = frozenset({"PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"})

OTHER_PATIENT = (
    0x00100021, 0x00100024, 0x00101000, 0x00101001, 0x00101002, 0x00101005, 0x00101060, 0x00102160, 0x00104000,
)  # fmt: skip
"""What goes with a PatientID, unless it is given anew: issuer and its qualifiers, other IDs and names, birth names,
ethnic group, comments.
"""


def check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels as they are written. Raises Invalid for a name that is none, and a value that it cannot have."""
    for name in labels:
        if name not in LABELS:
            raise invalid(f"'{name[:64]}' is no label: {', '.join(LABELS)}", code="value")
    given = {name: " ".join(value.split()) for name, value in labels.items()}
    checked({f"{LABELS[name][0]:08X}": _member(LABELS[name][1], value) for name, value in given.items()})
    if given.get("PatientID") == "":
        raise invalid("PatientID cannot be emptied: whose the study is would be unknown", code="required")
    return given


def _member(vr: str, value: str) -> dict[str, object]:
    if not value:
        return {"vr": vr}
    if vr == "PN":
        if value.count("=") >= len(GROUPS):
            raise invalid("a person name has at most three component groups", code="value")
        return {"vr": vr, "Value": [dict(zip(GROUPS, value.split("="), strict=False))]}
    return {"vr": vr, "Value": [value]}
