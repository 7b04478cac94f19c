"""Which orders are orders of images, and of which modality.

An order is one where a category says so, or where a code names a modality. The tables are in the words of the code
systems; see docs/how-to/worklist.md.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-servicerequest-category.html; HL7 v2 table 0074; PS3.16 CID 29 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from healix_fhir.imaging.elements import DCM
from healix_fhir.imaging.scheduling.values import codings

Json = Mapping[str, Any]

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
SECTION = "http://terminology.hl7.org/CodeSystem/v2-0074"
OBSERVATION = "http://terminology.hl7.org/CodeSystem/observation-category"

CATEGORIES: frozenset[tuple[str, str]] = frozenset(
    {
        (SNOMED, "363679005"),  # Imaging
        (LOINC, "LP29684-5"),  # Radiology
        (OBSERVATION, "imaging"),
        (SECTION, "RAD"),
        (SECTION, "IMG"),
    }
)
"""Categories of imaging orders that name no modality."""

MODALITIES: Mapping[tuple[str, str], str] = {
    (SECTION, "CT"): "CT",
    (SECTION, "NMR"): "MR",
    (SECTION, "NMS"): "NM",
    (SECTION, "RX"): "DX",
    (SECTION, "XRC"): "RF",
    **dict.fromkeys(((SECTION, code) for code in ("RUS", "OUS", "VUS", "CUS")), "US"),
    (SNOMED, "77477000"): "CT",  # Computed tomography
    (SNOMED, "113091000"): "MR",  # Magnetic resonance imaging
    (SNOMED, "16310003"): "US",  # Ultrasonography
    (SNOMED, "40701008"): "US",  # Echocardiography
    (SNOMED, "168537006"): "DX",  # Plain radiography
    (SNOMED, "71651007"): "MG",  # Mammography
    (SNOMED, "82918005"): "PT",  # Positron emission tomography
    (SNOMED, "44491008"): "RF",  # Fluoroscopy
    (SNOMED, "373205008"): "NM",  # Nuclear medicine imaging procedure
}
"""Modalities by categories and procedure codes; codes of DICOM's own system are modalities themselves."""

ACQUISITION = frozenset(
    {
        "AR", "BI", "BMD", "CR", "CT", "CFM", "DMS", "DG", "DX", "ECG", "EEG", "EMG", "EOG", "EPS", "ES", "GM", "HD",
        "IO", "IVOCT", "IVUS", "KER", "LEN", "LS", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM", "OPR", "OPT", "OPTBSV",
        "OPTENF", "OPV", "OSS", "OT", "PA", "POS", "PT", "PX", "RESP", "RF", "RG", "RTIMAGE", "SM", "SRF", "TG", "US",
        "VA", "XA", "XC",
    }
)  # fmt: skip
"""Spec: PS3.16 CID 29, Acquisition Modality (2024d)"""

UNKNOWN = "OT"
"""The modality of an order that names none. Spec: PS3.3 C.7.3.1.1.1 (2024d): Other"""


def modality(codes: Iterable[Json]) -> str | None:
    """The modality that the first of these Codings names which names one."""
    for coding in codes:
        system, code = coding.get("system", ""), coding.get("code", "")
        if system == DCM and code in ACQUISITION:
            return str(code)
        if (found := MODALITIES.get((system, code))) is not None:
            return found
    return None


def of_order(order: Json) -> str | None:
    """The modality that an order names."""
    return modality(codings(*order.get("orderDetail", ()), order.get("code"), *order.get("category", ())))


def is_imaging(order: Json) -> bool:
    """Whether an order is one of images."""
    categories = {(one.get("system"), one.get("code")) for one in codings(*order.get("category", ()))}
    return bool(categories & CATEGORIES) or of_order(order) is not None
