"""Reads a signed version of a report and what is around it, in the server's own name.

What the report names is taken as far as it is of its patient: so it was when it was signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any

import msgspec
import zstandard

from healix_fhir.imaging.reporting.edition import Edition, Evidence, Study
from healix_fhir.imaging.whose import of_one_patient
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.imaging_report import REPORT, SIGNED, content, instance_of
from healix_fhir.model.json import decode
from healix_fhir.model.references import local
from healix_fhir.store.body import unpack

Json = dict[str, Any]
DOCUMENTS = ("SR", "DOC", "PR", "KO")
"""Modalities of objects that are no images."""

_VERSION = """
SELECT r.body, NULL::bytea FROM resource r WHERE r.type = %s AND r.id = %s AND r.version = %s AND NOT r.deleted
UNION ALL
SELECT NULL, h.body FROM resource_history h WHERE h.type = %s AND h.id = %s AND h.version = %s AND NOT h.deleted"""

_STUDY = """
SELECT s.study_uid, (SELECT i.metadata FROM series e JOIN instance i ON i.series_pk = e.pk
                     WHERE e.study_pk = s.pk ORDER BY e.pk, i.pk LIMIT 1)
FROM resource r JOIN study s ON s.imaging_study = r.pk JOIN patient_key k ON k.pat = s.pat
WHERE r.type = %s AND r.id = %s AND NOT r.deleted AND k.id = %s"""

_INSTANCES = """
SELECT e.series_uid, i.instance_uid, i.sop_class_uid, e.modality FROM study s JOIN series e ON e.study_pk = s.pk
JOIN instance i ON i.series_pk = e.pk WHERE s.study_uid = %s ORDER BY e.pk, i.pk"""


def gather(id_: str, version: int, before: str | None, zone: tzinfo, bases: tuple[str, ...]) -> Work[Edition | None]:
    """A signed version; None where it, or its patient, is not there any more, or it was a mistake. Whose it is, and
    what hides it, is as it is now: Patients are merged, and labels put on, while it waits.
    """
    report = yield from _version(id_, version)
    now = (yield from _resources([f"{REPORT}/{id_}"])).get(f"{REPORT}/{id_}")
    if report is None or report.get("status") not in SIGNED or instance_of(report) is None:
        return None
    if now is None or now.get("status") not in SIGNED:
        return None
    labels = [*report.get("meta", {}).get("security", ()), *now.get("meta", {}).get("security", ())]
    report = local(report | {"subject": now["subject"], "meta": {"security": labels}}, bases)
    subject = str(report["subject"]["reference"])
    wanted = {subject, *_references(report)}
    known = local((yield from _resources(wanted)), bases)
    patient = known.get(subject)
    if patient is None:
        return None
    orders = (known.get(one["reference"]) for one in report.get("basedOn", ()) if "reference" in one)
    order = next((one for one in orders if one is not None and of_one_patient(one, report)), None)
    if order is not None:
        known |= yield from _resources({str(order.get("requester", {}).get("reference", ""))})
    study = yield from _study(report, str(patient["id"]))
    number = yield from _number(id_, version)
    issued = datetime.fromisoformat(str(report["issued"]))
    return Edition(report, patient, known, issued, zone, order, study, before, number)


def _version(id_: str, version: int) -> Work[Json | None]:
    named = (TYPE_ID[REPORT], id_, version)
    rows = yield Statement(_VERSION, (*named, *named))
    if not rows:
        return None
    current, earlier = rows[0]
    found: Json = decode(bytes(current) if current is not None else unpack(bytes(earlier)))
    return found


def _number(id_: str, version: int) -> Work[int]:
    """How many versions were signed until this one: those with a Provenance are counted by who signed them."""
    rows = yield Statement(
        "SELECT h.body FROM resource_history h WHERE h.type = %s AND h.id = %s AND h.version < %s AND NOT h.deleted",
        (TYPE_ID[REPORT], id_, version),
    )
    uids = {instance_of(one) for (body,) in rows if (one := decode(unpack(bytes(body)))).get("status") in SIGNED}
    return len(uids - {None}) + 1


def _references(report: Mapping[str, Any]) -> Iterable[str]:
    yield from (str(one.get("reference", "")) for one in report.get("resultsInterpreter", ()))
    yield from (str(one.get("reference", "")) for one in report.get("basedOn", ()))
    yield from (str(one.get("reference", "")) for one in report.get("imagingStudy", ()))
    yield from (one.author for one in content(report).addenda)


def _resources(references: Iterable[str]) -> Work[dict[str, Json]]:
    pairs = [one.partition("/") for one in sorted(references)]
    known = [(kind, id_) for kind, _, id_ in pairs if kind in TYPE_ID and is_logical_id(id_)]
    rows = yield Statement(
        """SELECT r.body FROM unnest(%s::smallint[], %s::text[]) AS s (type, id)
           JOIN resource r ON r.type = s.type AND r.id = s.id COLLATE "C" AND NOT r.deleted""",
        ([TYPE_ID[kind] for kind, _ in known], [id_ for _, id_ in known]),
    )
    found = [decode(bytes(body)) for (body,) in rows]
    return {f"{one['resourceType']}/{one['id']}": one for one in found}


def _study(report: Mapping[str, Any], patient: str) -> Work[Study | None]:
    """The first study that the report names, if it is there and the patient's."""
    named = [str(one.get("reference", "")).partition("/") for one in report.get("imagingStudy", ())]
    for kind, _, id_ in named:
        if kind != "ImagingStudy" or not is_logical_id(id_):
            continue
        rows = yield Statement(_STUDY, (TYPE_ID[kind], id_, patient))
        if rows and rows[0][1] is not None:
            uid, metadata = rows[0]
            dataset = msgspec.json.decode(zstandard.ZstdDecompressor().decompress(bytes(metadata)))
            images = yield Statement(_INSTANCES, (uid,))
            evidence = [Evidence(*one) for *one, modality in images if modality not in DOCUMENTS]
            documents = frozenset(one for _, one, _, modality in images if modality in DOCUMENTS)
            return Study(uid, dataset, evidence, documents)
    return None
