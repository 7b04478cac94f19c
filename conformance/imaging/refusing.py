"""Checks of DICOMweb that need no images. Spec: PS3.18 (2024d)"""

from __future__ import annotations

from conformance.check import Check, expect
from conformance.target import Target

NOWHERE = "/dicomweb/studies/2.25.999999999999999999"


def search_nothing(target: Target) -> None:
    """No match is 200 with an empty list."""
    answer = target.ask(
        "GET", "/dicomweb/studies?PatientID=conformance-nobody", headers={"Accept": "application/dicom+json"}
    )
    expect(answer.status == 200, f"answered {answer.status}")
    expect(answer.json() == [], "the answer is not an empty list")
    expect(answer.headers["content-type"].startswith("application/dicom+json"), "not DICOM JSON")


def missing(target: Target) -> None:
    """What is not there is 404."""
    for path in (NOWHERE, NOWHERE + "/metadata", NOWHERE + "/series/1.2/instances/1.2.3/frames/1"):
        expect(target.ask("GET", path).status == 404, f"{path} is not 404")


def malformed(target: Target) -> None:
    """A UID that is none, and a body of another kind or cut off, are refused."""
    expect(target.ask("GET", "/dicomweb/studies/..%2f..%2fetc").status in (400, 404), "a path as UID is not refused")
    wrong = target.ask("POST", "/dicomweb/studies", b"x", {"Content-Type": "text/plain"})
    expect(wrong.status == 415, f"a body of text answered {wrong.status}")
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    cut = target.ask("POST", "/dicomweb/studies", b"--b\r\n\r\ncut", {"Content-Type": kind})
    expect(cut.status == 400, f"a body that is cut off answered {cut.status}")


def unauthenticated(target: Target) -> None:
    """Without a token: 401 with a challenge."""
    answer = target.ask("GET", "/dicomweb/studies", token=False)
    expect(answer.status == 401, f"answered {answer.status}")
    expect(answer.headers.get("www-authenticate", "").startswith("Bearer"), "no Bearer challenge")


CHECKS = (
    Check("PS3.18 10.6 (CP-2473)", "no match is 200 with []", search_nothing),
    Check("PS3.18 10.4", "what is not there is 404", missing),
    Check("PS3.18 8.5", "malformed requests are refused", malformed),
    Check("RFC 6750 3", "no token is 401 with a challenge", unauthenticated),
)
