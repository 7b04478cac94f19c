"""`python -m healix_fhir.server.statement`: write the DICOM conformance statement, what limits DIMSE peers, and the
catalogue of metrics.

docs/reference/dicom-conformance.md follows the template of PS3.2 Annex N: overview, introduction, implementation model,
network services, configuration, media, transfer syntaxes, character sets, security. A test fails when it is not
current.
"""

from __future__ import annotations

from pathlib import Path

from dicomweb.dicomjson.charset import CODEC
from healix_fhir.server.statement import (
    configuration,
    deidentification,
    dimse,
    errands,
    metrics,
    procedure,
    web,
    workitems,
)
from healix_fhir.server.statement.table import lines, table

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
PAGE, LIMITS = REFERENCE / "dicom-conformance.md", REFERENCE / "limits.md"
METRICS = REFERENCE / "metrics.md"
HEAD = """# DICOM conformance statement

Product: Healix. In the form of PS3.2 Annex N of the DICOM standard (2024d). Made from the code by `make docs`; do not
edit.
"""
OVERVIEW = """Healix is a server for clinical data and images. Images come in over DIMSE (C-STORE) or DICOMweb
(STOW-RS), are kept byte for byte in one study store, and go out over DICOMweb or DIMSE (C-GET, C-MOVE). One access
policy and one audit trail hold for both."""
INTRODUCTION = """For system integrators and operators. A statement of conformance does not replace a test of two
products with each other. Terms and abbreviations are those of the standard: AE (application entity), SCP and SCU
(provider and user of a service), SOP (service-object pair), UID (unique identifier), VR (value representation)."""
MODEL = """* **DIMSE AE `HEALIX`**: accepts associations of modalities, workstations and archives: receives objects,
  answers queries and retrievals, keeps worklists and hears of procedure steps, commits itself to storage; and calls
  known peers.
* **DICOMweb origin server**: stores, searches, retrieves and renders objects over HTTP, for viewers and programs with
  an access token.
* **Study store**: what both share. An object that is acknowledged is durable, found by searches and, a moment later, a
  FHIR `ImagingStudy`.

### Sequencing of real-world activities

A modality asks for its worklist, tells that it has begun (N-CREATE), sends its images, tells that it is done (N-SET)
and asks whether they are safe (N-ACTION). No step needs the one before: images without an order are stored, and a step
without images is recorded. What has come is found at once; other systems are told, and images sent on, by errands
afterwards. A viewer searches for studies, retrieves their metadata and then their frames; a program takes a workitem,
retrieves what it names, stores its result and completes the workitem."""
MEDIA = """`healix study export` writes a file-set with a DICOMDIR to a folder or a ZIP file, for no media profile.
`healix import` reads folders of files."""
SECURITY = """* HTTP: SMART on FHIR 2.2 access tokens (RFC 6750). The scopes of `ImagingStudy` govern: `r` retrieve,
  `s` search, `c` store, `d` delete; those of `Task` govern workitems: `c` create, `r` retrieve, `u` change and cancel,
  `s` search and subscribe. A token opens what its person may see; what is hidden answers like what does not exist.
* DIMSE: AE titles of known peers. Each has a right for each service, and may be bound to networks, to TLS and to a
  number of associations. The title of a peer said from elsewhere is answered as an unknown one. A right opens its
  service for every study: there is one policy, in which a peer is a system and not a person.
* DIMSE over TLS: the BCP 195 (RFC 8996, RFC 9325) TLS Secure Transport Connection Profile of PS3.15 B.12, on a port of
  its own (`HEALIX_DIMSE_TLS_PORT`, 2762) and for peers that are called over TLS. TLS 1.3, and TLS 1.2 with ECDHE and
  AES-GCM or ChaCha20-Poly1305; nothing older is negotiated. Peers show a certificate that is trusted, unless
  `HEALIX_DIMSE_TLS_MUTUAL=false`. Keys and certificates are PEM files; what is trusted is `HEALIX_DIMSE_TLS_CA`.
* HTTPS by the server itself (`HEALIX_TLS_CERTIFICATE`), with the same versions and suites, or by a proxy before it
  (`HEALIX_BASE_URL=https://…`).
* Every transfer, query and denial is an `AuditEvent` (IHE BALP) in an append-only, hash-chained trail.
* Browsers of other origins: those of registered apps."""


def page() -> str:
    """The whole statement."""
    parts = [
        HEAD,
        lines("## Overview", OVERVIEW),
        dimse.classes(),
        lines("## Introduction", INTRODUCTION),
        lines("## Implementation model", MODEL),
        lines("## Network services", "What is offered over the network, from the tables that run."),
        dimse.services(),
        procedure.services(),
        workitems.services(),
        errands.commitment(),
        errands.initiated(),
        web.services(),
        configuration.failures(),
        configuration.configuration(),
        lines("## Media services", MEDIA),
        web.syntaxes(),
        lines(
            "## Character sets",
            "Text is read in these, with and without code extensions, and given as UTF-8 in JSON and XML. The objects"
            " themselves keep theirs.",
            table(("defined term", "read as"), ((f"`{term or '(none)'}`", codec) for term, codec in CODEC.items())),
        ),
        lines("## Security", SECURITY),
        deidentification.de_identification(),
        lines(
            "## Annexes",
            "No standard extended, specialized or private SOP classes are defined; no private attributes are written.",
        ),
    ]
    return "\n".join(parts)


def limits(text: str) -> str:
    """The page of limits, with the part on DIMSE as the code has it: what follows the mark in `text`."""
    written, mark, _ = text.partition(dimse.MARK)
    return f"{written}{mark}\n\n{dimse.limits()}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    METRICS.write_text(metrics.page(), encoding="utf-8")
    LIMITS.write_text(limits(LIMITS.read_text(encoding="utf-8")), encoding="utf-8")
