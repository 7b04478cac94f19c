"""A signed report as DICOM objects: a Basic Text SR by TID 2000, and an encapsulated PDF; pure.

Who the patient is and which study it is are copied from an object of the study. Each version has instances of its own,
in one series for each kind, which name those of the version before as their predecessors.

Spec: PS3.3 A.35.1, A.45.1, C.17, C.18.4, C.24.2; PS3.16 TID 2000 to 2002, TID 1204, CID 7000 to 7003 (2024d)
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any

from dicomweb.dicomjson.reading import DataSet
from dicomweb.procedure.content import made
from healix_fhir.imaging.reporting.edition import Edition, Evidence, Illustration, Study, derived_uid, pdf_uid
from healix_fhir.imaging.scheduling.values import code_item, cut, person_name
from healix_fhir.model.imaging_report import ADDENDUM, IMPRESSION, Addendum, content

TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
SR, DOC = "SR", "DOC"

COPIED = (
    "00080020", "00080030", "00080050", "00080051", "00080090", "00080201", "00081030", "00081032", "00100010",
    "00100020", "00100021", "00100022", "00100024", "00100030", "00100032", "00100040", "00101001", "00101010",
    "00101020", "00101030", "00120062", "00120063", "00120064", "0020000D", "00200010",
)  # fmt: skip
"""Of the Patient, General Study and Patient Study Modules, the issuers of their identifiers, and the time zone."""
EMPTY = ("00080020", "00080030", "00080050", "00080090", "00100010", "00100020", "00100030", "00100040", "00200010")
"""Of these, those that must be there, with a value or without (type 2)."""
VRS = MappingProxyType(
    {"00080020": "DA", "00080030": "TM", "00080050": "SH", "00080090": "PN", "00100010": "PN", "00100020": "LO",
     "00100030": "DA", "00100040": "CS", "00200010": "SH"}
)  # fmt: skip

Code = tuple[str, str, str]
TITLE: Code = ("18748-4", "LN", "Diagnostic Imaging Report")
HEADINGS: Mapping[str, tuple[Code, Code]] = MappingProxyType(
    {
        "technique": (
            ("55111-9", "LN", "Current Procedure Descriptions"),
            ("121065", "DCM", "Procedure Description"),
        ),
        "comparison": (("18834-2", "LN", "Previous Findings"), ("121069", "DCM", "Previous Finding")),
        "findings": (("59776-5", "LN", "Findings"), ("121071", "DCM", "Finding")),
        IMPRESSION: (("19005-8", "LN", "Impressions"), ("121073", "DCM", "Impression")),
        ADDENDUM: (("55107-7", "LN", "Addendum"), ("121071", "DCM", "Finding")),
    }
)
"""By section, the heading (CID 7001) and what its text is (CID 7002)."""
KEY_IMAGES: Code = ("55113-5", "LN", "Key Images")
FINDING: Code = ("121071", "DCM", "Finding")
ILLUSTRATION: Code = ("121080", "DCM", "Best illustration of finding")
"""What a key image is referred to for (CID 7003)."""
LANGUAGE: Code = ("121049", "DCM", "Language of Content Item and Descendants")
OBSERVER_TYPE: Code = ("121005", "DCM", "Observer Type")
PERSON: Code = ("121006", "DCM", "Person")
OBSERVER: Code = ("121008", "DCM", "Person Observer Name")
LANGUAGES = MappingProxyType({"en": "English", "de": "German", "es": "Spanish", "fr": "French", "hi": "Hindi"})


def structured(edition: Edition, study: Study) -> DataSet:
    """The Basic Text SR of a version."""
    day, clock = _moment(edition)
    reader = _reader(edition)
    verified = {
        "VerifyingObserverName": reader,
        "VerifyingOrganization": "Healix",
        "VerificationDateTime": f"{day}{clock}{edition.issued.astimezone(edition.zone):%z}",
        "VerifyingObserverIdentificationCodeSequence": [],
    }
    attributes: dict[str, Any] = _general(edition, TEXT_SR, edition.uid, SR) | {
        "PreliminaryFlag": "FINAL",
        "CompletionFlag": "COMPLETE",
        "VerificationFlag": "VERIFIED",
        "ContentDate": day,
        "ContentTime": clock,
        "VerifyingObserverSequence": [made(verified)],
        "ReferencedPerformedProcedureStepSequence": [],
        "PerformedProcedureCodeSequence": [],
        "ReferencedRequestSequence": [_request(edition, study)],
        "ValueType": "CONTAINER",
        "ConceptNameCodeSequence": [_code(TITLE)],
        "ContinuityOfContent": "SEPARATE",
        "ContentTemplateSequence": [made({"MappingResource": "DCMR", "TemplateIdentifier": "2000"})],
        "ContentSequence": _tree(edition, reader),
    }
    if not reader:  # nobody is named who could have verified it
        del attributes["VerifyingObserverSequence"]
        attributes["VerificationFlag"] = "UNVERIFIED"
    if evidence := _all_evidence(edition, study):
        attributes["CurrentRequestedProcedureEvidenceSequence"] = [_evidence(study.uid, evidence)]
    if edition.before is not None and edition.before in study.documents:
        attributes["PredecessorDocumentsSequence"] = [_predecessor(edition, study, TEXT_SR, SR, edition.before)]
    return _whole(made(attributes), study)


def encapsulated(edition: Edition, study: Study, pdf: bytes) -> DataSet:
    """The encapsulated PDF of a version."""
    day, clock = _moment(edition)
    attributes: dict[str, Any] = _general(edition, ENCAPSULATED_PDF, pdf_uid(edition.uid), DOC) | {
        "ConversionType": "WSD",
        "ContentDate": day,
        "ContentTime": clock,
        "AcquisitionDateTime": None,
        "BurnedInAnnotation": "YES",
        "DocumentTitle": cut(edition.procedure or "Imaging report", 64),
        "ConceptNameCodeSequence": [_code(TITLE)],
        "MIMETypeOfEncapsulatedDocument": "application/pdf",
        "EncapsulatedDocumentLength": len(pdf),
    }
    before = pdf_uid(edition.before or "")
    if before in study.documents:
        attributes["PredecessorDocumentsSequence"] = [_predecessor(edition, study, ENCAPSULATED_PDF, DOC, before)]
    document = {"00420011": {"vr": "OB", "InlineBinary": base64.b64encode(pdf).decode()}}
    return _whole(made(attributes) | document, study)


def series_uid(edition: Edition, study: Study, modality: str) -> str:
    """The series of all versions of a report in a study."""
    return derived_uid(modality, str(edition.report["id"]), study.uid)


def _general(edition: Edition, sop_class: str, uid: str, modality: str) -> dict[str, Any]:
    assert edition.study is not None
    day, clock = _moment(edition)
    return {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": uid,
        "InstanceCreationDate": day,
        "InstanceCreationTime": clock,
        "Modality": modality,
        "SeriesInstanceUID": series_uid(edition, edition.study, modality),
        "SeriesNumber": 9001 if modality == SR else 9002,
        "SeriesDescription": "Report" if modality == SR else "Report (PDF)",
        "Manufacturer": "Healix",
        "ManufacturerModelName": "Healix",
        "InstanceNumber": edition.number,
    }


def _whole(own: DataSet, study: Study) -> DataSet:
    """An object with what it has of its study."""
    copied = {tag: study.dataset[tag] for tag in COPIED if tag in study.dataset}
    empty = {tag: {"vr": VRS[tag]} for tag in EMPTY if tag not in copied}
    return dict(sorted((copied | empty | own | {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}).items()))


def _moment(edition: Edition) -> tuple[str, str]:
    here = edition.issued.astimezone(edition.zone)
    return f"{here:%Y%m%d}", f"{here:%H%M%S}"


def _reader(edition: Edition) -> str:
    return person_name(edition.signer.get("name", ()))


def _request(edition: Edition, study: Study) -> DataSet:
    order = edition.order or {}
    number = study.dataset.get("00080050", {}).get("Value", [None])[0]
    codes = [item for one in order.get("code", {}).get("coding", ()) if (item := code_item(one)) is not None]
    return made(
        {
            "StudyInstanceUID": study.uid,
            "ReferencedStudySequence": [],
            "AccessionNumber": number,
            "PlacerOrderNumberImagingServiceRequest": None,
            "FillerOrderNumberImagingServiceRequest": None,
            "RequestedProcedureID": None,
            "RequestedProcedureDescription": cut(edition.procedure, 64),
            "RequestedProcedureCodeSequence": [made(one) for one in codes[:1]],
        }
    )


def _all_evidence(edition: Edition, study: Study) -> list[Evidence]:
    """The images that were there to be read, and all that the content refers to."""
    shown = (each for one in edition.illustrations for each in (one.image, one.state) if each is not None)
    return list({one.instance: one for one in (*study.evidence, *shown)}.values())


def _evidence(study: str, evidence: Sequence[Evidence]) -> DataSet:
    """Instances of a study, by their series."""
    ordered = sorted(evidence, key=lambda one: one.series)
    series = []
    for uid, group in groupby(ordered, key=lambda one: one.series):
        items = [_reference(one) for one in group]
        series.append(made({"SeriesInstanceUID": uid, "ReferencedSOPSequence": items}))
    return made({"StudyInstanceUID": study, "ReferencedSeriesSequence": series})


def _reference(one: Evidence, **more: Any) -> DataSet:
    return made({"ReferencedSOPClassUID": one.sop_class, "ReferencedSOPInstanceUID": one.instance} | more)


def _predecessor(edition: Edition, study: Study, sop_class: str, modality: str, uid: str) -> DataSet:
    instance = made({"ReferencedSOPClassUID": sop_class, "ReferencedSOPInstanceUID": uid})
    of_series = {"SeriesInstanceUID": series_uid(edition, study, modality), "ReferencedSOPSequence": [instance]}
    return made({"StudyInstanceUID": study.uid, "ReferencedSeriesSequence": [made(of_series)]})


def _tree(edition: Edition, reader: str) -> list[DataSet]:
    """The content below the title."""
    said = content(edition.report)
    tree = [_concept("HAS CONCEPT MOD", LANGUAGE, _language(edition.report)), *_observer(reader)]
    for name, text in said.sections.items():
        heading, element = HEADINGS[name]
        inside = [_text(element, text)]
        if name == IMPRESSION:
            concepts = edition.report.get("conclusionCode", ())
            codes = (code_item(one) for concept in concepts for one in concept.get("coding", ()))
            inside += [_item("CONTAINS", "CODE", element, ConceptCodeSequence=[made(one)]) for one in codes if one]
        tree.append(_container(heading, inside))
    if edition.illustrations:
        tree.append(_container(KEY_IMAGES, [_illustrated(one) for one in edition.illustrations]))
    return tree + [_added(edition, one) for one in said.addenda]


def _illustrated(one: Illustration) -> DataSet:
    """A key image; where something is said of it, as that from which it is inferred. Spec: PS3.16 TID 2002 (2024d)"""
    more: dict[str, Any] = {}
    if one.frame is not None:
        more["ReferencedFrameNumber"] = one.frame
    if one.state is not None:
        more["ReferencedSOPSequence"] = [_reference(one.state)]
    value = [_reference(one.image, **more)]
    if not one.comment:
        return _item("CONTAINS", "IMAGE", ILLUSTRATION, ReferencedSOPSequence=value)
    image = _item("INFERRED FROM", "IMAGE", ILLUSTRATION, ReferencedSOPSequence=value)
    return _text(FINDING, one.comment) | made({"ContentSequence": [image]})


def _added(edition: Edition, addendum: Addendum) -> DataSet:
    heading, element = HEADINGS[ADDENDUM]
    author = person_name(edition.known.get(addendum.author, {}).get("name", ()))
    return _container(heading, [*_observer(author), _text(element, addendum.text)])


def _observer(name: str) -> list[DataSet]:
    """Who observed what is below. Spec: PS3.16 TID 1002 (2024d)"""
    if not name:
        return []
    return [
        _concept("HAS OBS CONTEXT", OBSERVER_TYPE, PERSON),
        _item("HAS OBS CONTEXT", "PNAME", OBSERVER, PersonName=name),
    ]


def _language(report: Mapping[str, Any]) -> Code:
    code = str(report.get("language", "en")).partition("-")[0]
    return (code, "RFC5646", LANGUAGES[code]) if code in LANGUAGES else ("en", "RFC5646", "English")


def _container(heading: Code, inside: list[DataSet]) -> DataSet:
    return _item("CONTAINS", "CONTAINER", heading, ContinuityOfContent="SEPARATE", ContentSequence=inside)


def _text(concept: Code, text: str) -> DataSet:
    return _item("CONTAINS", "TEXT", concept, TextValue=text.replace("\r\n", "\n").replace("\n", "\r\n"))


def _concept(relationship: str, concept: Code, value: Code) -> DataSet:
    return _item(relationship, "CODE", concept, ConceptCodeSequence=[_code(value)])


def _item(relationship: str, kind: str, concept: Code, **value: Any) -> DataSet:
    plain = {"RelationshipType": relationship, "ValueType": kind, "ConceptNameCodeSequence": [_code(concept)]}
    return made(plain | value)


def _code(code: Code) -> DataSet:
    value, scheme, meaning = code
    return made({"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning})
