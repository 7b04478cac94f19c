"""Our own metadata and bulk data, posted back in parts of their own, make the same objects again."""

from __future__ import annotations

import io
import json
import re
import warnings
from typing import Any

import httpx
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicomweb.dicomjson.syntax import EXPLICIT_BIG, NATIVE
from tests.support.dicomjson import expected, normal
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body, bulk, content_type, metadata, parts
from tests.unit.dicomjson.test_pydicom import FILES, REFUSED, UNREADABLE_BY_PYDICOM

JSON, XML = "application/dicom+json", "application/dicom+xml"
IDENTIFIERS = ("0020000D", "0020000E", "00080018")


def _is_instance(name: str) -> bool:
    """Whether a file says what it is and where it belongs, as all but directories, fragments and liars do."""
    ds = dcmread(FILES[name], stop_before_pixels=True)
    return all(key in ds for key in IDENTIFIERS) and ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID


NAMES = [name for name in sorted(FILES.keys() - REFUSED.keys() - UNREADABLE_BY_PYDICOM.keys()) if _is_instance(name)]
NAMED = re.compile(rb'"BulkDataURI":"([^"]+)"|<BulkData uri="([^"]+)"')


@pytest.mark.spec("PS3.18 10.5.1.4")
@pytest.mark.spec("PS3.19 A.1")
@pytest.mark.parametrize("kind", [JSON, XML])
def test_every_readable_file_comes_back_equal(server: LiveServer, kind: str) -> None:
    """What our metadata and bulk data say of an object is enough to make an equal one of it."""
    with server.client("system/ImagingStudy.cruds") as client:
        differing = {name: why for name in NAMES if (why := difference(client, name, kind))}
    assert differing == {}


def difference(client: httpx.Client, name: str, kind: str) -> str:
    """What is wrong with the second of two objects: a file, and what is made of its metadata and bulk data."""
    file = renamed(name)
    first = client.post("/dicomweb/studies", content=body([file]), headers=HEADERS)
    if first.status_code != 200:
        return first.text
    ds = dcmread(io.BytesIO(file))
    content = again(client, address(first), kind, ds, NAMES.index(name))
    second = client.post("/dicomweb/studies", content=content, headers=content_type(kind))
    if second.status_code != 200:
        return second.text
    made = client.get(address(second), headers={"Accept": "application/dicom; transfer-syntax=*"})
    return compared(ds, dcmread(io.BytesIO(made.content)), kind)


def renamed(name: str) -> bytes:
    """The file with identifiers of its own, of the same length: some of the files share theirs."""
    file, ds = FILES[name].read_bytes(), dcmread(FILES[name], stop_before_pixels=True)
    if ds.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        return file
    for place, key in enumerate(IDENTIFIERS):
        old = ds[key].value.encode()
        file = file.replace(old, f"1.3.{NAMES.index(name)}.{place + 1}".ljust(len(old), "1").encode()[: len(old)])
    return file


def again(client: httpx.Client, where: str, kind: str, ds: Dataset, number: int) -> bytes:
    """A request with the metadata of the object at `where` under other identifiers, and the bulk data they name."""
    answer = client.get(
        f"{where}/metadata", headers={"Accept": kind if kind == JSON else f'multipart/related; type="{XML}"'}
    )
    document = answer.content if kind == JSON else answer.content.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
    uris = {(one or other).decode() for one, other in NAMED.findall(document)}
    for place, key in enumerate(IDENTIFIERS):
        old, new = ds[key].value.encode(), f"1.2.{number}.{place}".encode()
        document = document.replace(b'"%s"' % old, b'"%s"' % new).replace(b">%s<" % old, b">%s<" % new)
    syntax = str(ds.file_meta.TransferSyntaxUID)
    octets = "application/octet-stream" + ("" if syntax in NATIVE else f"; transfer-syntax={syntax}")
    asked = {"Accept": "application/octet-stream; transfer-syntax=*"}
    return parts(metadata(document, kind), *(bulk(uri, client.get(uri, headers=asked).content, octets) for uri in uris))


def address(answer: httpx.Response) -> str:
    """Where the only instance of a request is."""
    (item,) = answer.json()["00081199"]["Value"]
    return str(item["00081190"]["Value"][0])


def compared(one: Dataset, two: Dataset, kind: str) -> str:
    """The tags in which two objects differ, but for their identifiers, which the second names otherwise throughout."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, second = (normal(expected(ds)) for ds in (one, two))
    text = json.dumps(second)
    for key in IDENTIFIERS:
        text = text.replace(f'"{two[key].value}"', f'"{one[key].value}"')
    second = json.loads(text)
    if one.file_meta.TransferSyntaxUID not in NATIVE:  # which demands OB, whatever the file says
        first["7FE00010"]["vr"] = "OB"
    if kind == XML:
        first, second = ({tag: _shortened(one) for tag, one in ds.items()} for ds in (first, second))
    differing = sorted(tag for tag in {*first, *second} if first.get(tag) != second.get(tag))
    if "PixelData" in one and one.file_meta.TransferSyntaxUID != EXPLICIT_BIG and one.PixelData != two.PixelData:
        differing.append("PixelData")
    return ", ".join(differing)


def _shortened(attribute: dict[str, Any]) -> dict[str, Any]:
    """An attribute as the Native DICOM Model can tell it: without empty values and components at its end."""
    values = attribute.get("Value", [])
    if attribute["vr"] == "PN":
        names = [{group: text.rstrip("^") for group, text in (name or {}).items()} for name in values]
        values = [name if any(name.values()) else None for name in names]
    while values and values[-1] is None:
        values.pop()
    return attribute | {"Value": values}
