"""DICOMDIRs of objects whose attributes are not what they should be."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import msgspec
import pytest
import zstandard
from pydicom import dcmread

from dicomweb.study.directory import Filed, directory
from dicomweb.study.retrieve import Instance
from tests.support.dicom import uid

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


def records(**members: Any) -> list[Any]:
    """The records of the DICOMDIR of one image with these attributes, by tag."""
    instance = Instance(uid(1), uid(1, 1), uid(1, 1, 1), CT, EXPLICIT, "key", 1)
    whole = {"00100020": {"vr": "LO", "Value": ["P"]}, "00280010": {"vr": "US", "Value": [1]}} | members
    compressed = zstandard.compress(msgspec.json.encode(whole))
    file = directory([(Filed(instance, ("DICOM", "SE000001", "IM000001"), EXPLICIT), compressed)])
    return list(dcmread(BytesIO(file)).DirectoryRecordSequence)


@pytest.mark.spec("PS3.3 F.5")
@pytest.mark.parametrize(
    ("tag", "member"),
    [
        ("00200013", {"vr": "IS", "Value": ["abc"]}),
        ("00200013", {"vr": "IS", "Value": ["1.5"]}),
        ("00200013", {"vr": "IS", "Value": [1, None, 2]}),
        ("00200011", {"vr": "IS", "Value": ["1e999"]}),
        ("00280010", {"vr": "US", "Value": ["many"]}),
        ("00080020", {"vr": "DA", "Value": ["2026.13.99"]}),
        ("00100010", {"vr": "PN", "Value": [{"Alphabetic": "A=B=C=D"}]}),
        ("00201208", {"vr": "FD", "Value": ["NaN"]}),
    ],
)
def test_a_value_that_is_none_does_not_cost_the_file_set(tag: str, member: dict[str, Any]) -> None:
    """Each level has its record, whatever one attribute of an object holds."""
    found = records(**{tag: member})
    assert [one.DirectoryRecordType for one in found] == ["PATIENT", "STUDY", "SERIES", "IMAGE"]
    assert found[-1].ReferencedSOPInstanceUIDInFile == uid(1, 1, 1)
    assert (found[0].PatientID, found[-1].Columns) == ("P", None)
