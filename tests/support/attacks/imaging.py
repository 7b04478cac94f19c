"""Attacks by DICOMweb: search on all levels, retrieval of everything, and storing into a hidden study.

Spec: PS3.18 10.4 to 10.6 (2024d)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from pydicom import dcmread
from pydicom.uid import UID

from tests.support.attacks.attack import Attack
from tests.support.attacks.names import OWN_IMAGES, OWN_STUDY, names
from tests.support.ct import ct_image
from tests.support.notes import note
from tests.support.stow import HEADERS, body, content_type, file_of, metadata, parts

JSON = "application/dicom+json"
BASIC_TEXT = "1.2.840.10008.5.1.4.1.1.88.11"
CT = "1.2.840.10008.5.1.4.1.1.2"
COMMITMENT = "/dicomweb/commitment-requests/<instance>"
STUDY = "/dicomweb/studies/<study>"
SERIES = f"{STUDY}/series/<series>"
INSTANCE = f"{SERIES}/instances/<instance>"
KEYS = (
    "PatientID=<mrn>",
    "PatientID=<mrn>*",
    "PatientName=<family>*",
    "PatientName=<family>*&fuzzymatching=true",
    "AccessionNumber=<accession>",
    "StudyInstanceUID=<study>",
    "StudyDescription=<description>*",
    "00100020=<mrn>",
    "StudyInstanceUID=<study>&includefield=all",
    "StudyInstanceUID=<study>&includefield=PatientComments,InstitutionName",
    "StudyInstanceUID=<study>&limit=1&offset=0",
    "StudyInstanceUID=<study>&orderby=-StudyDate,PatientName",
    'StudyInstanceUID=<study>&ReferringPhysicianName=""&emptyvaluematching=true',
    "StudyInstanceUID=<study>&ModalitiesInStudy=CT&multiplevaluematching=true",
    "StudyInstanceUID=<study>&Modality=CT",
    "StudyInstanceUID=<study>&StudyDate=19000101-&StudyTime=00-&TimezoneOffsetFromUTC=%2B0100",
)


def imaging() -> Iterator[Attack]:
    """Every address."""
    for key in KEYS:
        yield Attack("GET", f"/dicomweb/studies?{key}")
        yield Attack("GET", f"/dicomweb/studies/count?{key}")
    yield Attack("GET", "/dicomweb/studies?PatientID=<mrn>", headers={"Accept": "text/csv"}, note="as a table")
    for level in ("series", "instances"):
        yield Attack("GET", f"/dicomweb/{level}?StudyInstanceUID=<study>")
        yield Attack("GET", f"/dicomweb/{level}?PatientID=<mrn>&includefield=all")
        yield Attack("GET", f"{STUDY}/{level}")
        yield Attack("GET", f"{STUDY}/{level}?includefield=all")
        yield Attack("GET", f"{STUDY}/{level}/count")
        yield Attack("GET", f"/dicomweb/{level}/count?PatientID=<mrn>")
    yield Attack("GET", "/dicomweb/series?SeriesInstanceUID=<series>")
    yield Attack("GET", "/dicomweb/instances?SOPInstanceUID=<instance>")
    yield Attack("GET", f"{SERIES}/instances")
    yield Attack("GET", f"{SERIES}/instances/count")
    for address in (STUDY, SERIES, INSTANCE):
        yield Attack("GET", address)
        yield Attack("HEAD", address)
        yield Attack("GET", f"{address}/metadata")
        yield Attack("GET", f"{address}/metadata?includefield=PatientName,PatientID")
        yield Attack("GET", f"{address}?accept=application/zip")
        yield Attack("GET", f"{address}/bulkdata")
        yield Attack("GET", f"{address}/pixeldata")
        yield Attack("HEAD", f"{address}/pixeldata", headers={"Range": "bytes=0-9"}, note="a range")
    yield Attack("GET", f"{STUDY}/metadata", headers={"If-None-Match": "*"}, note="If-None-Match")
    yield Attack("GET", INSTANCE, headers={"Range": "bytes=0-9"}, note="a range")
    for numbers in ("1", "1,2", "9"):
        yield Attack("GET", f"{INSTANCE}/frames/{numbers}")
        yield Attack("GET", f"{INSTANCE}/frames/{numbers}/pixeldata")
    for address in (STUDY, SERIES, INSTANCE, f"{INSTANCE}/frames/1"):
        yield Attack("GET", f"{address}/rendered")
        yield Attack("GET", f"{address}/rendered?annotation=patient&window=1,2,linear&viewport=8,8")
        yield Attack("GET", f"{address}/thumbnail")
    state = "&presentationSeriesUID=<series>&presentationUID=<instance>"
    picture = "&contentType=image/png&frameNumber=1&annotation=patient"
    own = ("", "&contentType=application/dicom", "&anonymize=yes", picture, state)
    for further in own:
        yield Attack(
            "GET", f"/dicomweb/wado?requestType=WADO&studyUID=<study>&seriesUID=<series>&objectUID=<instance>{further}"
        )
    rewritten = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.80'
    yield Attack("GET", INSTANCE, headers={"Accept": rewritten}, note="in another transfer syntax")
    for path in ("7FE00010", "00109999", "00420011"):
        yield Attack("GET", f"{INSTANCE}/bulkdata/{path}")
    named = {"00081150": {"vr": "UI", "Value": [CT]}, "00081155": {"vr": "UI", "Value": ["<instance>"]}}
    asked = {"00081199": {"vr": "SQ", "Value": [named]}}
    yield Attack("POST", COMMITMENT, asked, {"Content-Type": JSON}, changes=True, note="is it safe")
    yield Attack("GET", COMMITMENT, note="of a request that the caller may have made")
    yield _stow("/dicomweb/studies", "a new instance of the study", new=True)
    yield _stow(STUDY, "a new instance of the study, by its address", new=True)
    yield _stow("/dicomweb/studies", "the instance again", new=False)
    for address in ("/dicomweb/studies", STUDY):
        yield Attack("POST", address, _apart(), content_type(JSON), changes=True, note="metadata of a new instance")
    rejecting = body([_note()])
    yield Attack("POST", "/dicomweb/studies", rejecting, HEADERS, changes=True, note="a note that rejects it")
    for address in ("/dicomweb/studies/<gone>", "/dicomweb/studies/<gone>/metadata"):
        yield Attack("GET", address, note="of a deleted study")
    yield Attack("DELETE", "/dicomweb/studies/<gone>", note="of a deleted study")
    for address in (INSTANCE, SERIES, STUDY):  # each leaves something for the next
        yield Attack("DELETE", address, changes=True)


def _stow(address: str, note: str, *, new: bool) -> Attack:
    content = body([_image(new=new)])
    return Attack("POST", address, content, HEADERS, changes=True, note=note)


@cache
def _apart() -> bytes:
    """Metadata of a report on the caller's own patient in the study `<study>`."""
    name = names("hidq", "none")
    uids = {"00080016": BASIC_TEXT, "0020000D": name["study"], "0020000E": name["series"]}
    model = {tag: {"vr": "UI", "Value": [uid]} for tag, uid in uids.items()}
    model |= {"00080018": {"vr": "UI", "Value": [f"{name['instance'][:-1]}3"]}}
    model |= {"00100020": {"vr": "LO", "Value": ["own-mrn"]}}
    content = parts(metadata(json.dumps([model]).encode()))
    return content.replace(name["study"].encode(), b"<study>")


@cache
def _note() -> bytes:
    """A rejection note in a study of the caller's own patient about the instance `<instance>`."""
    name = names("hidq", "none")
    named = (name["study"], name["series"], name["instance"])
    at = (OWN_STUDY, f"{OWN_STUDY}.9", f"{name['study']}.9.1")
    return note("113001", named, at=at, patient=OWN_IMAGES).replace(name["study"].encode(), b"<study>")


@cache
def _image(*, new: bool) -> bytes:
    """An image of the caller's own patient in the study `<study>`; UIDs of both kinds have the same length."""
    name = names("hidq", "none")
    with TemporaryDirectory() as directory:
        path = Path(directory) / "image.dcm"
        ct_image(path, study=name["study"], series=name["series"], side=2)
        image = dcmread(path)
    image.PatientID = "own-mrn"
    uid = UID(f"{name['instance'][:-1]}{2 if new else 1}")
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = uid
    content = file_of(image)
    for key in ("study",):  # series and instance begin with it
        content = content.replace(name[key].encode(), f"<{key}>".encode())
    return content
