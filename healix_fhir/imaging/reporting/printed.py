"""A signed report as a document to print; pure.

Spec: FHIR R4, hl7.org/fhir/R4/diagnosticreport.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healix_fhir.care.reports.document import (
    Block,
    Document,
    Fact,
    Facts,
    Heading,
    Notice,
    Paragraph,
    Picture,
    Pictures,
)
from healix_fhir.care.reports.record.about import head
from healix_fhir.care.reports.told import identifier, name
from healix_fhir.care.reports.words import LANGUAGES, words
from healix_fhir.care.reports.written import Written
from healix_fhir.imaging.reporting.edition import Edition
from healix_fhir.model.imaging_report import ADDENDUM, content, is_critical
from healix_fhir.operation.told import concept_text

Json = dict[str, Any]
TOPIC = "imaging"
FINAL = "final"
PIECE = 3000
"""Characters of a paragraph: longer ones are cut (care/reports/printable.py)."""


def language_of(report: Mapping[str, Any]) -> str:
    """The language of the words around what the report says."""
    code = str(report.get("language", "")).partition("-")[0]
    return code if code in LANGUAGES else "en"


def document(edition: Edition) -> Document:
    """The document of a version, as of when it was signed."""
    report, language = edition.report, language_of(edition.report)
    say, written = words(TOPIC, language), Written(language, edition.zone)
    said = content(report)
    blocks: list[Block] = [*_notices(edition, say, written), _about(edition, say, written)]
    for section, text in said.sections.items():
        blocks += [Heading(say[section]), *_paragraphs(text)]
    codes = [text for one in report.get("conclusionCode", ()) if (text := concept_text(one))]
    if codes:
        blocks.append(Paragraph(say["coded"].format(codes="; ".join(codes)), soft=True))
    if edition.pictures:
        blocks += [Heading(say["key_images"]), _pictures(edition, say)]
    for one in said.addenda:
        author = name(edition.known.get(one.author, {}).get("name")) or say["unknown"]
        when = written.date(one.moment) or say["unknown"]
        told = say["added"].format(reader=author, day=when)
        blocks += [Heading(say[ADDENDUM]), *_paragraphs(one.text), Paragraph(told, soft=True)]
    reader = name(edition.signer.get("name")) or say["unknown"]
    signed = say["signed"].format(reader=reader, day=written.moment(edition.issued))
    blocks.append(Paragraph(f"{signed} DiagnosticReport/{report['id']}", soft=True))
    foot = say["filed"].format(day=written.moment(edition.issued))
    title = edition.procedure or say["title"]
    return Document(title, language, head(edition.patient, written), edition.issued, tuple(blocks), foot, say["title"])


def _pictures(edition: Edition, say: Mapping[str, str]) -> Pictures:
    told = [(one, say["key_image"].format(n=n)) for n, one in enumerate(edition.pictures, 1)]
    return Pictures(
        tuple(
            Picture(
                one.image, f"{name}. {one.comment}".removesuffix(". "), f"{edition.procedure}. {name}. {one.comment}"
            )
            for one, name in told
        )
    )


def _paragraphs(text: str) -> list[Paragraph]:
    """The whole text, in pieces that are printed whole, however long it is."""
    pieces: list[str] = []
    for line in text.split("\n"):
        for start in range(0, max(len(line), 1), PIECE):
            part = line[start : start + PIECE]
            if start == 0 and pieces and len(pieces[-1]) + len(part) < PIECE:
                pieces[-1] += f"\n{part}"
            else:
                pieces.append(part)
    return [Paragraph(one) for one in pieces if one.strip()]


def _notices(edition: Edition, say: Mapping[str, str], written: Written) -> list[Block]:
    """What a reader must not miss: that it is critical, and that it is another version."""
    found: list[Block] = []
    if is_critical(edition.report):
        found.append(Notice(say["critical"], urgent=True))
    status = str(edition.report.get("status", ""))
    if status != FINAL:
        found.append(Notice(say["changed"].format(status=written.status(status))))
    return found


def _about(edition: Edition, say: Mapping[str, str], written: Written) -> Facts:
    order, dataset = edition.order or {}, edition.study.dataset if edition.study is not None else {}
    requester = order.get("requester", {})
    referrer = name(edition.known.get(requester.get("reference", ""), {}).get("name")) or requester.get("display", "")
    day = str(next(iter(dataset.get("00080020", {}).get("Value", ())), ""))
    number = str(next(iter(dataset.get("00080050", {}).get("Value", ())), ""))
    unknown = say["unknown"]
    facts = (
        Fact(say["patient"], name(edition.patient.get("name")) or unknown),
        Fact(say["born"], written.date(edition.patient.get("birthDate")) or unknown),
        Fact(say["number"], identifier(edition.patient.get("identifier")) or unknown),
        Fact(say["referrer"], referrer or unknown),
        Fact(say["performed"], written.date(f"{day[:4]}-{day[4:6]}-{day[6:8]}") if day else unknown),
        Fact(say["accession"], number or unknown),
    )
    return Facts(facts, framed=True)
