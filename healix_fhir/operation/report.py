"""$report: a patient's record over a period as an accessible PDF, made by a job and stored in the record.

`POST [base]/Patient/[id]/$report` answers 201 with the DocumentReference, whose attachment is a Binary. With
`Prefer: respond-async`, or where it takes longer than a request should, it answers 202 with the address of the job
(healix_fhir/api/bulk.py), which in the end tells where the document is. What is in it is what the token that asks may
see, and no more; it carries the security labels of all that is in it.

Spec: FHIR R4, hl7.org/fhir/R4/async.html, hl7.org/fhir/R4/documentreference.html
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from healix_fhir.bulk import job as jobs
from healix_fhir.bulk.job import REPORT, State
from healix_fhir.bulk.reported import SECTIONS, Report
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work, atransaction
from healix_fhir.kernel.errors import forbidden, invalid, unsupported
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.export import accepted
from healix_fhir.operation.given import Given
from healix_fhir.operation.goal.zone import zone_of
from healix_fhir.operation.invocation import Invocation, Outcome
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

LANGUAGES = ("en", "de", "es", "fr", "hi")
DAYS = 90
"""A report is of so many days, unless it is told from when to when."""
FIRST = date(1, 1, 2)
"""Of the day before there are moments that are in no year elsewhere."""
LONGEST = 366 * 20
"""Days that a report is about at most."""
WAIT, LOOK = 15.0, 0.2
"""Seconds that a request waits for its document, and between two looks."""
DAY = len("2026-01-31")
OF_PATIENT = own(
    "report",
    "The record of a patient over a period as a PDF (tagged, PDF/UA-1), stored as DocumentReference and Binary.",
    into("start", "date", f"The first day; without it {DAYS} days before the last one."),
    into("end", "date", "The last day; without it today."),
    into("language", "code", f"The language of headings and dates: {', '.join(LANGUAGES)}; en if it is not given."),
    into("timezone", "string", "The time zone of all times, such as Europe/Vienna; the patient's, else the clinic's."),
    into("section", "code", f"What is in it: {', '.join(SECTIONS)}; all of them if none is given.", most="*"),
    out("return", "DocumentReference", "The document"),
    levels=("instance",),
    resource=("Patient",),
)


async def report(interactions: Interactions, access: AccessContext, invocation: Invocation) -> Outcome:
    """Make one. Raises NotFound for a patient who is not to be seen, Forbidden, Invalid, Busy for too many jobs."""
    read_report(str(invocation.id), invocation.given, clock.now())
    require(access)
    patient = decode_stored((await interactions.read(access, "Patient", str(invocation.id))).body)
    home = zone_of(patient, interactions.zone)
    asked = read_report(str(invocation.id), invocation.given, clock.now(), home)
    base = interactions.bases[0]
    id_ = await atransaction(interactions.pool, lambda: begin(access, asked, f"{base}/Patient/{asked.patient}/$report"))
    if invocation.asynchronous:
        return accepted(base, id_, "the report is being made")
    return await waited(interactions, access, id_)


def require(access: AccessContext) -> None:
    """Refuse (Forbidden) who could not read what is made."""
    for type_name in ("Patient", "DocumentReference", "Binary"):
        access.require(type_name, Permission.READ)


def read_report(patient: str, given: Given, now: datetime, home: tzinfo = UTC) -> Report:
    """What a call asks for, with times of `home` where it names no zone. Raises Invalid or Unsupported by name."""
    zone = _zone(given.text("timezone") or str(home))
    end = _day(given.text("end"), "end") or now.astimezone(zone).date()
    start = _day(given.text("start"), "start") or max(end, FIRST + timedelta(DAYS)) - timedelta(DAYS - 1)
    if not FIRST <= start <= end < date.max or (end - start).days > LONGEST:
        raise invalid(f"'start' is no day before 'end', or more than {LONGEST} days before it", expression=("start",))
    language = (given.text("language") or "en").partition("-")[0].lower()
    if language not in LANGUAGES:
        raise unsupported(f"$report: the language is not supported; {', '.join(LANGUAGES)} are")
    sections = tuple(given.texts("section")) or SECTIONS
    for one in sections:
        if one not in SECTIONS:
            raise invalid(f"'section' is none of {', '.join(SECTIONS)}", code="value", expression=("section",))
    begins, ends = (datetime.combine(day, time(), zone) for day in (start, end + timedelta(days=1)))
    return Report(patient, begins, ends, language, str(zone), sections)


def begin(access: AccessContext, asked: Report, request: str) -> Work[str]:
    """Begin the job of a report; its id. Raises Busy, and Forbidden where others could see more by it than they may."""
    yield from check_told(access, asked.patient)
    id_ = yield from jobs.begin(REPORT, access, request, asked)
    yield record([AuditRow(access.origin, "E", "$report", patient=asked.patient, entity=f"bulk/{id_}")])
    return id_


def check_told(access: AccessContext, patient: str) -> Work[None]:
    """Refuse (Forbidden) a clinician's report of a patient who keeps parts of the record from some clinicians.

    Such a report is labelled as restricted: for the patient, and for who is cleared for that.
    """
    if access.practitioner is None or not (yield from is_narrowed(patient)):
        return
    rows = yield Statement(
        "SELECT 1 FROM account WHERE username = %s AND %s = ANY(clearance)", (access.origin.account, RESTRICTED)
    )
    if not rows:
        raise forbidden(
            "this patient's Consents keep parts of the record from some: a report of it takes a clearance for R"
        )


RESTRICTED = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R"


def is_narrowed(patient: str) -> Work[bool]:
    """Whether a Consent of the patient denies anything to anybody."""
    rows = yield Statement(
        "SELECT 1 FROM consent_rule c JOIN patient_key k ON k.pat = c.pat WHERE k.id = %s AND c.denies LIMIT 1",
        (patient,),
    )
    return bool(rows)


async def waited(interactions: Interactions, access: AccessContext, id_: str) -> Outcome:
    """The document, if it is there soon; else where its job is."""
    base = interactions.bases[0]
    for _ in range(int(WAIT / LOOK)):
        await asyncio.sleep(LOOK)
        job = await atransaction(interactions.pool, lambda: jobs.find(access, id_))
        if job.failure is not None:
            raise job.failure.error()
        if job.state == State.COMPLETED and job.place is not None:
            made = await interactions.read(access, *job.place.decode().split("/"))
            return Outcome(201, made.body, (("location", f"{base}/{job.place.decode()}"),))
    return accepted(base, id_, "the report is still being made")


def _day(text: str | None, name: str) -> date | None:
    if text is None:
        return None
    try:
        if len(text) == DAY:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise invalid(f"'{name}' must be a day such as 2026-01-31", code="value", expression=(name,))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise invalid(
            "'timezone' is no time zone such as Europe/Vienna", code="value", expression=("timezone",)
        ) from error
