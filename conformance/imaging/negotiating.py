"""What requests and answers say about themselves: media types, character sets, addresses, lengths. Spec: PS3.18 8
(2024d)
"""

from __future__ import annotations

import re

from conformance.check import Check, expect
from conformance.imaging.image import Image
from conformance.imaging.retrieving import DICOM, OCTETS
from conformance.imaging.storing import store, stored
from conformance.imaging.working import BASE, made
from conformance.target import Target

JSON = {"Accept": "application/dicom+json"}
XML = 'multipart/related; type="application/dicom+xml"'


def unreadable(target: Target) -> None:
    """What cannot be read in the Accept header is ignored: a range, a parameter, a weight."""
    path = f"{stored(target).path}/metadata"
    for accept in ("none, application/dicom+json", "application/dicom+json; x", "application/dicom+json;q=high"):
        answer = target.ask("GET", path, headers={"Accept": accept})
        expect(answer.status == 200, f"{accept} answered {answer.status}")
        expect(answer.headers["content-type"].startswith("application/dicom+json"), f"{accept} is not JSON")


def of_two_kinds(target: Target) -> None:
    """`accept` lists DICOM or rendered media types, not both."""
    answer = target.ask("GET", f"{stored(target).path}/rendered?accept=application/dicom,image/png")
    expect(answer.status == 400, f"answered {answer.status}")


def of_no_character_set(target: Target) -> None:
    """A character set that is not supported is 400; UTF-8 in a list is taken."""
    path = f"{stored(target).path}/metadata"
    refused = target.ask("GET", f"{path}?charset=x-none", headers=JSON)
    expect(refused.status == 400, f"one that is not there answered {refused.status}")
    taken = target.ask("GET", f"{path}?charset=x-none,utf-8", headers=JSON)
    expect(taken.status == 200, f"a list with UTF-8 answered {taken.status}")


def where(target: Target) -> None:
    """Content-Location says of what resource the answer is."""
    one = stored(target)
    for path in (one.path, f"{one.path}/metadata", f"{one.path}/frames/1", f"{one.path}/rendered"):
        answer = target.ask("GET", path)
        expect(answer.headers.get("content-location", "").endswith(path), f"{path} does not say where it is")


def headers_of_parts(target: Target) -> None:
    """Each part has its media type, its length, and where it is by itself."""
    one = stored(target)
    for path, accept in ((one.path, DICOM), (f"{one.path}/frames/1", OCTETS), (f"{one.path}/metadata", XML)):
        answer = target.ask("GET", path, headers={"Accept": accept})
        head, _, content = answer.body.partition(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: *(\d+)", head, re.IGNORECASE)
        expect(length is not None, f"a part of {path} does not say how long it is")
        boundary = answer.headers["content-type"].partition("boundary=")[2].strip('"').encode()
        body = content.split(b"\r\n--" + boundary)[0]
        expect(length is not None and int(length[1]) == len(body), f"a part of {path} has another length")
        expect(re.search(rb"\r\nContent-Location: ", head, re.IGNORECASE) is not None, "a part has no address")


def created(target: Target) -> None:
    """Who stores is told where what was stored is."""
    image = Image()
    answer = store(target, [image.file])
    for name in ("location", "content-location"):
        expect(f"/studies/{image.study}" in answer.headers.get(name, ""), f"{name} is not where the study is")


def alone_in_xml(target: Target) -> None:
    """A multipart of DICOM XML is served where there is one document: a workitem, the answer to storing."""
    one = target.ask("GET", f"{BASE}/{made(target)}", headers={"Accept": XML})
    kept = store(target, [stored(target).file], accept=XML)
    for answer in (one, kept):
        expect(answer.status in (200, 202), f"answered {answer.status}")
        expect(answer.headers["content-type"].startswith("multipart/related"), "it is no multipart")
        expect(answer.body.count(b"<NativeDicomModel") == 1, "not one document")


CHECKS = (
    Check("PS3.18 8.7.7", "what cannot be read in Accept is ignored", unreadable),
    Check("PS3.18 8.3.3.1", "accept lists one kind of media types", of_two_kinds),
    Check("PS3.18 8.3.3.2; PS3.18 8.8.4", "an unknown character set is refused", of_no_character_set),
    Check("PS3.18 8.4.2; PS3.18 10.4.3.2", "answers say of what they are", where),
    Check("PS3.18 8.6.1.2", "parts have their headers", headers_of_parts),
    Check("PS3.18 10.5.3.2", "who stores is told where", created),
    Check("PS3.18 11.1.3; PS3.18 10.5.4", "one document is a multipart where asked", alone_in_xml),
)
