"""The Native DICOM Model, held to what dcmtk writes of the same objects."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pydicom
import pytest

from dicomweb.dicomjson.xml import native_model
from tests.support.native_model import model
from tests.support.tools import require_tool
from tests.support.walk import json_of

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
NAMES = ["CT_small.dcm", "MR_small.dcm", "test-SR.dcm", "reportsi.dcm", "rtdose.dcm", "ExplVR_BigEnd.dcm"]


@pytest.mark.spec("PS3.19 A.1")
@pytest.mark.parametrize("name", NAMES)
def test_the_same_model_as_dcmtk(name: str) -> None:
    """Real objects, with sequences, names and private elements, give the model that dcmtk gives."""
    command = [require_tool("dcm2xml"), "--native-format", str(FILES / name)]
    theirs = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    ours = native_model(json.dumps(json_of((FILES / name).read_bytes())).encode())
    assert model(ET.fromstring(ours)) == model(ET.fromstring(theirs))


def test_what_xml_cannot_hold_is_replaced() -> None:
    """Markup is escaped, a control character is shown as a replacement, an empty value keeps its number free."""
    members = {
        "00104000": {"vr": "LT", "Value": ["a<b & \x0c c"]},
        "00080005": {"vr": "CS", "Value": [None, "ISO 2022 IR 87"]},
        "00091001": {"vr": "UN", "InlineBinary": "AAEC"},
        "00090010": {"vr": "LO", "Value": ['ACME "1"']},
        "7FE00010": {"vr": "OW", "BulkDataURI": "http://x/?a=1&b=2"},
    }
    root = ET.fromstring(native_model(json.dumps(members).encode()))
    found = {one.attrib["tag"]: one for one in root}
    assert found["00104000"][0].text == "a<b & � c"
    assert found["00080005"][0].attrib["number"] == "2"
    assert (found["00090001"].attrib["privateCreator"], found["00090001"][0].text) == ('ACME "1"', "AAEC")
    assert found["7FE00010"][0].attrib["uri"] == "http://x/?a=1&b=2"
