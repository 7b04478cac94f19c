"""A signed version of a report with what is around it: all that its documents are made of."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from dicomweb.dicomjson.reading import DataSet
from healix_fhir.care.reports.record.findings import KeyImage
from healix_fhir.model.imaging_report import instance_of

Json = dict[str, Any]
NAMESPACE = uuid.UUID("3f0d6d5a-3c0f-5b0e-8d4e-6b1d4a0d7e11")


class Evidence(msgspec.Struct, frozen=True):
    """An image that was there to be read, by its UIDs."""

    series: str
    instance: str
    sop_class: str


class Illustration(msgspec.Struct, frozen=True):
    """A key image: the image, the frame of it if it is one, what is said of it, and the presentation state it is shown
    with.
    """

    image: Evidence
    frame: int | None = None
    comment: str = ""
    state: Evidence | None = None


class Study(msgspec.Struct, frozen=True):
    """The study that was read: its UID, the data set of one of its objects, its images, and the UIDs of documents."""

    uid: str
    dataset: DataSet
    evidence: Sequence[Evidence] = ()
    documents: frozenset[str] = frozenset()


class Edition(msgspec.Struct, frozen=True):
    """A signed version: the report, its patient, its order and who they are by `Type/id`; `number` counts the signed
    versions from 1, `before` is the SOP Instance UID of the structured report of the one before it, `illustrations` are
    its key images and `pictures` those that are printed. Times are on the clocks of `zone`.
    """

    report: Json
    patient: Json
    known: Mapping[str, Json]
    issued: datetime
    zone: tzinfo
    order: Json | None = None
    study: Study | None = None
    before: str | None = None
    number: int = 1
    illustrations: Sequence[Illustration] = ()
    pictures: Sequence[KeyImage] = ()

    @property
    def uid(self) -> str:
        """The SOP Instance UID of its structured report."""
        return instance_of(self.report) or ""

    @property
    def signer(self) -> Json:
        """The Practitioner who signed this version: the last of those who interpreted; empty where that one is gone."""
        named = [str(one.get("reference", "")) for one in self.report.get("resultsInterpreter", ())]
        return self.known.get(named[-1], {}) if named else {}

    @property
    def procedure(self) -> str:
        """What was done, in words."""
        concepts = [(self.order or {}).get("code"), self.report.get("code")]
        for concept in concepts:
            texts = [(concept or {}).get("text"), *(one.get("display") for one in (concept or {}).get("coding", ()))]
            if found := next((str(text) for text in texts if text), ""):
                return found
        return ""


def derived_uid(*parts: str) -> str:
    """The UID of what is made once of these: made again, it is the same. Spec: PS3.5 B.2 (2024d)"""
    return f"2.25.{uuid.uuid5(NAMESPACE, ' '.join(parts)).int}"


def pdf_uid(uid: str) -> str:
    """The SOP Instance UID of the PDF beside a structured report."""
    return derived_uid("PDF", uid)


def resource_id(kind: str, uid: str) -> str:
    """The logical id of a resource that a version is filed as."""
    return str(uuid.uuid5(NAMESPACE, f"{kind} {uid}"))
