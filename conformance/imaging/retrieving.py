"""Retrieving. Spec: PS3.18 8.7 and 10.4 (2024d)"""

from __future__ import annotations

import struct
from email.parser import BytesParser
from email.policy import HTTP

from conformance.check import Check, expect
from conformance.imaging.image import SIDE, new_uid
from conformance.imaging.storing import stored
from conformance.target import Answer, Target

DICOM = 'multipart/related; type="application/dicom"'
OCTETS = 'multipart/related; type="application/octet-stream"'
EXPLICIT, JPEG_LOSSLESS = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70"


def parts(answer: Answer) -> list[tuple[str, bytes]]:
    """Media type and content of each part."""
    kind = answer.headers.get("content-type", "")
    expect(kind.startswith("multipart/related"), f"the answer is {kind[:40]}")
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + answer.body)
    found = []
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.append((str(part["Content-Type"]), content))
    return found


def objects(target: Target) -> None:
    """Study, series and instance give the file, byte for byte where it is asked for as it is."""
    one = stored(target)
    for path in (one.path, one.path.partition("/instances")[0], one.path.partition("/series")[0]):
        found = parts(target.ask("GET", path, headers={"Accept": f"{DICOM}; transfer-syntax=*"}))
        expect(one.file[128:] in [content[128:] for _, content in found], f"{path} does not give the file")
        expect(all(kind.startswith("application/dicom") for kind, _ in found), "a part is not application/dicom")


def single(target: Target) -> None:
    """An instance comes without multipart where that is asked for."""
    one = stored(target)
    answer = target.ask("GET", one.path, headers={"Accept": "application/dicom"})
    expect(answer.body[128:] == one.file[128:], "not the file")


def negotiated(target: Target) -> None:
    """Another transfer syntax where asked, quality values and `accept` are heard, the impossible is 406."""
    one = stored(target)
    answer = target.ask("GET", one.path, headers={"Accept": f'{DICOM}; transfer-syntax="{EXPLICIT}"'})
    expect(f"transfer-syntax={EXPLICIT}" in parts(answer)[0][0].replace('"', ""), "not in the syntax asked for")
    answer = target.ask("GET", f"{one.path}/metadata", headers={"Accept": f"{DICOM};q=1, application/json;q=0.1"})
    expect(answer.headers["content-type"] == "application/json", "the acceptable range was not found")
    answer = target.ask("GET", f"{one.path}/rendered?accept=image/png", headers={"Accept": "image/jpeg"})
    expect(answer.headers["content-type"] == "image/png", "the parameter does not win over the header")
    for accept in ("text/plain", f"{DICOM}; transfer-syntax=1.2.3"):
        expect(target.ask("GET", one.path, headers={"Accept": accept}).status == 406, f"{accept} is not 406")


def metadata(target: Target) -> None:
    """Every attribute but bulk data, which is behind its BulkDataURI, at each level."""
    one = stored(target)
    for path in (one.path, one.path.partition("/instances")[0], one.path.partition("/series")[0]):
        answer = target.ask("GET", f"{path}/metadata", headers={"Accept": "application/dicom+json"})
        expect(answer.headers["content-type"] == "application/dicom+json", "not DICOM JSON")
        (found,) = [item for item in answer.json() if item["00080018"]["Value"] == [one.instance]]
        expect(found["00280010"] == {"vr": "US", "Value": [SIDE]}, "Rows are not there")
        expect("Value" not in found["7FE00010"], "the pixels are in the metadata")
        bulk = target.ask("GET", found["7FE00010"]["BulkDataURI"], headers={"Accept": OCTETS})
        expect(parts(bulk)[0][1] == one.pixels, "BulkDataURI does not give the pixels")
    xml = target.ask(
        "GET", f"{one.path}/metadata", headers={"Accept": 'multipart/related; type="application/dicom+xml"'}
    )
    expect(b"<NativeDicomModel" in parts(xml)[0][1], "no native model in XML")


def frames(target: Target) -> None:
    """A frame is its pixels; one that is not there is 404, what is no number 400."""
    one = stored(target)
    answer = target.ask("GET", f"{one.path}/frames/1", headers={"Accept": OCTETS})
    expect([content for _, content in parts(answer)] == [one.pixels], "not the pixels")
    plain = target.ask("GET", f"{one.path}/frames/1", headers={"Accept": "application/octet-stream"})
    expect(plain.body == one.pixels, "not the pixels without multipart")
    lossless = f'multipart/related; type="image/jpeg"; transfer-syntax={JPEG_LOSSLESS}'
    packed = parts(target.ask("GET", f"{one.path}/frames/1", headers={"Accept": lossless}))
    expect(packed[0][1].startswith(b"\xff\xd8"), "no JPEG where it was asked for")
    expect(target.ask("GET", f"{one.path}/frames/2").status == 404, "a missing frame is not 404")
    expect(target.ask("GET", f"{one.path}/frames/x").status == 400, "no number is not 400")


def rendered(target: Target) -> None:
    """A picture in each of the media types, of the size asked for; a wrong parameter is 400."""
    one = stored(target)
    for kind, start in (("image/jpeg", b"\xff\xd8"), ("image/png", b"\x89PNG"), ("image/gif", b"GIF8")):
        for path in (f"{one.path}/rendered", f"{one.path}/frames/1/rendered"):
            answer = target.ask("GET", path, headers={"Accept": kind})
            expect(answer.headers.get("content-type") == kind, f"{path} as {kind} answered {answer.status}")
            expect(answer.body.startswith(start), f"{path} is no {kind}")
    small = target.ask(
        "GET", f"{one.path}/rendered?viewport=4,4&window=2000,4000,linear", headers={"Accept": "image/png"}
    )
    expect(small.body[16:24] == b"\0\0\0\4\0\0\0\4", "not four by four pixels")
    for wrong in (
        *(
            "viewport=x",
            "viewport=4",
            "viewport=4,4,",
            "window=1",
            "window=1,2",
            "window=1,2,x",
            "quality=0",
            "quality=",
        ),
        *("annotation=nothing", "annotation="),
    ):
        expect(target.ask("GET", f"{one.path}/rendered?{wrong}").status == 400, f"{wrong} is not refused")
    gif = target.ask("GET", f"{one.path}/rendered?iccprofile=yes", headers={"Accept": "image/gif"})
    expect(gif.status == 400, f"a colour profile in a GIF answered {gif.status}")


def thumbnails(target: Target) -> None:
    """One picture for a study, a series, an instance and a frame."""
    one = stored(target)
    series = one.path.partition("/instances")[0]
    for path in (one.path.partition("/series")[0], series, one.path, f"{one.path}/frames/1"):
        answer = target.ask("GET", f"{path}/thumbnail", headers={"Accept": "image/jpeg"})
        expect(answer.body.startswith(b"\xff\xd8"), f"{path} has no thumbnail")
    small = target.ask("GET", f"{one.path}/thumbnail?viewport=4,4,0,0,2,2")
    expect(small.status == 400, f"a region of a thumbnail answered {small.status}")


def conditional(target: Target) -> None:
    """Metadata has an ETag, and If-None-Match with it is 304."""
    path = f"{stored(target).path}/metadata"
    tag = target.ask("GET", path).headers.get("etag", "")
    expect(tag.startswith('"'), "no ETag")
    expect(target.ask("GET", path, headers={"If-None-Match": tag}).status == 304, "not 304")


def by_uri(target: Target) -> None:
    """The URI service gives the picture and the object."""
    one = stored(target)
    query = f"requestType=WADO&studyUID={one.study}&seriesUID={one.series}&objectUID={one.instance}"
    answer = target.ask("GET", f"/dicomweb/wado?{query}")
    expect(answer.headers["content-type"] == "image/jpeg", "an image is not JPEG by default")
    whole = target.ask("GET", f"/dicomweb/wado?{query}&contentType=application%2Fdicom")
    expect(whole.body[128:] == one.file[128:], "not the file")
    expect(
        target.ask("GET", f"/dicomweb/wado?{query.replace('WADO', 'X')}").status == 400, "requestType is not looked at"
    )
    for wrong in (
        *("contentType=application/dicom,image/png", f"contentType=application/dicom%3Btransfer-syntax={EXPLICIT}"),
        *(
            "contentType=application/dicom&transferSyntax=none",
            "contentType=application/dicom&windowCenter=3&windowWidth=4",
            "windowCenter=3",
            "contentType=image/png&charset=x-none",
            "frameNumber=1",
            f"presentationSeriesUID={one.series}",
        ),
    ):
        expect(target.ask("GET", f"/dicomweb/wado?{query}&{wrong}").status == 400, f"{wrong} is not refused")


def sized_by_uri(target: Target) -> None:
    """A region is as large as it is in the image, and rows or columns alone keep its shape; a presentation state that
    is not there is an invalid parameter.
    """
    one = stored(target)
    query = f"requestType=WADO&studyUID={one.study}&seriesUID={one.series}&objectUID={one.instance}"
    for asked, width, height in (
        ("region=0.5,0,1,1", 4, 8),
        ("columns=16", 16, 16),
        ("rows=4&region=0,0,1,0.5", 8, 4),
        ("rows=64&columns=16", 16, 16),
    ):
        answer = target.ask("GET", f"/dicomweb/wado?{query}&contentType=image/png&{asked}")
        expect(answer.status == 200, f"{asked} answered {answer.status}")
        expect(answer.body[16:24] == struct.pack(">LL", width, height), f"{asked} is not {width} by {height}")
    for wrong in ("region=0.5,0,0.5,1", "region=0,0,1", "rows=0", "rows=x", "rows=0000000019999999"):
        expect(target.ask("GET", f"/dicomweb/wado?{query}&{wrong}").status == 400, f"{wrong} is not refused")
    nowhere = f"presentationSeriesUID={new_uid()}&presentationUID={new_uid()}"
    status = target.ask("GET", f"/dicomweb/wado?{query}&{nowhere}").status
    expect(status == 400, f"a presentation state that is not there answered {status}")


CHECKS = (
    Check("PS3.18 10.4.1.1.1; PS3.18 8.6.1.2", "study, series and instance give the files", objects),
    Check("PS3.18 8.7.3", "a single part where asked", single),
    Check("PS3.18 8.7.5; PS3.18 8.3.3.1", "media types are negotiated", negotiated),
    Check("PS3.18 10.4.1.1.2; PS3.18 10.4.1.1.5", "metadata with bulk data by reference", metadata),
    Check("PS3.18 10.4.1.1.6", "frames are their pixels", frames),
    Check("PS3.18 10.4.1.1.3", "rendered as asked", rendered),
    Check("PS3.18 10.4.1.1.4; PS3.18 8.3.5.2", "thumbnails at each level", thumbnails),
    Check("PS3.18 8.4", "conditional requests", conditional),
    Check("PS3.18 9.4; PS3.18 9.5.1", "the URI service gives picture and object", by_uri),
    Check("PS3.18 9.5.1; PS3.18 9.5.2", "the URI service sizes pictures and their regions", sized_by_uri),
)
