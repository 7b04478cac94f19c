"""$summary: an International Patient Summary, made of what the caller may see of a patient.

The sections are those of `sections.py`; what their entries refer to comes along. It is made anew with each call, and
not stored.

Spec: HL7 International Patient Summary 1.1, hl7.org/fhir/uv/ips/STU1.1/OperationDefinition-summary.html
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Sequence

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError, invalid, unsupported
from healix_fhir.model.definitions import TYPE_NAME
from healix_fhir.model.json import decode_stored, encode
from healix_fhir.model.references import references
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.document import document_of, entry_of
from healix_fhir.operation.given import Json
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.lastn import newest
from healix_fhir.operation.sections import SECTIONS, Section, Wanted
from healix_fhir.operation.told import narrative
from healix_fhir.search.matched import conditions, matched
from healix_fhir.search.params.reference import target
from healix_fhir.store.read import Ask, audit_shown, missing, read_each
from healix_fhir.store.stored import Stored
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

IPS = "http://hl7.org/fhir/uv/ips"
LOINC = "http://loinc.org"
ENTRIES = 200
"""Entries of one search of a section: the newest."""
LOOKED_AT = 2000
"""Observations that one such search looks at for the newest of each code."""
BROUGHT = frozenset(
    {"Device", "Location", "Medication", "Organization", "Practitioner", "PractitionerRole", "Specimen", "Substance"}
)
"""Types of what comes along with the entries that refer to it."""
SUMMARY = own(
    "summary",
    "An International Patient Summary: allergies, medications, problems, immunizations, results, procedures, devices"
    f" and more, each with a narrative; of each kind up to {ENTRIES}, the newest.",
    into("identifier", "string", "The patient's identifier, where it is called on the type", search="token"),
    into("profile", "canonical", "The profile of the document: that of the IPS"),
    into("graph", "uri", "A GraphDefinition"),
    out("return", "Bundle", "The document"),
    levels=("type", "instance"),
    resource=("Patient",),
    url=f"{IPS}/OperationDefinition/summary",
)
PROFILE = f"{IPS}/StructureDefinition/Bundle-uv-ips"
UNAVAILABLE = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "unavailable"}],
    "text": "Nothing is known here",
}


class Filled(msgspec.Struct, frozen=True):
    """A section with its entries."""

    section: Section
    entries: tuple[Stored, ...]


async def summary(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The document. Raises NotFound for a patient who is not there or not to be seen."""
    profile = invocation.given.text("profile")
    if profile is not None and profile.partition("|")[0] != PROFILE:
        raise unsupported(f"$summary: the profile {profile[:200]} is not supported; {PROFILE} is")
    base = interactions.bases[0]
    id_ = invocation.id or await _identified(interactions, access, invocation.given.text("identifier"))
    patient = await interactions.read(access, "Patient", id_)
    filled = await interactions.looked_up(lambda: _filled(access, id_, base), aside=True)
    brought = await interactions.timed(lambda: _brought(access, filled, interactions.bases))
    return await asyncio.to_thread(_document, base, patient, filled, brought)


async def _identified(interactions: Interactions, access: AccessContext, identifier: str | None) -> str:
    """The id of the one patient with an identifier."""
    if identifier is None:
        raise invalid("$summary needs the parameter 'identifier'", code="required", expression=("identifier",))
    base = interactions.bases[0]
    query = conditions("Patient", [("identifier", identifier)], "$summary", base)
    found = await interactions.looked_up(lambda: matched(access, query, 2, base, cut=True))
    if not found:
        raise missing("Patient", identifier[:64])
    if len(found) > 1:
        raise HealixError(Category.PRECONDITION_FAILED, "several patients have that identifier")
    return found[0].id


def _filled(access: AccessContext, patient: str, base: str) -> Work[list[Filled]]:
    """The sections with their entries, as far as the caller's scopes reach."""
    filled = []
    for section in SECTIONS:
        entries: list[Stored] = []
        for wanted in section.wanted:
            if access.allows(wanted.type, Permission.SEARCH):
                entries += yield from _entries(access, wanted, patient, base)
        filled.append(Filled(section, tuple(entries)))
    shown = [(one.type, one.id) for section in filled for one in section.entries]
    yield audit_shown(AuditRow(access.origin, "E", "$summary", patient=patient, entity=f"Patient/{patient}"), shown)
    return filled


def _entries(access: AccessContext, wanted: Wanted, patient: str, base: str) -> Work[list[Stored]]:
    query = conditions(wanted.type, [("patient", f"Patient/{patient}"), *wanted.params], "$summary", base)
    found = yield from matched(access, query, LOOKED_AT if wanted.newest else ENTRIES, base, cut=True)
    last = newest(found, 1) if wanted.newest else found
    return [Stored(wanted.type, one.id, 0, clock.now(), one.body) for one in last[:ENTRIES]]


def _brought(access: AccessContext, filled: Sequence[Filled], bases: tuple[str, ...]) -> Work[list[Stored]]:
    """What the entries refer to, as far as the caller may see it."""
    addresses: dict[tuple[str, str], None] = {}
    for section in filled:
        for one in section.entries:
            for _, text in references(decode_stored(one.body)):
                place = target(text, bases)
                if place is not None and place[0] is not None and TYPE_NAME[place[0]] in BROUGHT:
                    addresses[TYPE_NAME[place[0]], place[1]] = None
    found = yield from read_each([Ask(access, *address) for address in addresses])
    return [one for one in found if isinstance(one, Stored)]


def _document(base: str, patient: Stored, filled: Sequence[Filled], brought: Sequence[Stored]) -> bytes:
    device = f"urn:uuid:{uuid.uuid4()}"
    known = {f"{one.type}/{one.id}": decode_stored(one.body) for one in brought}
    composition = _composition(patient, device, [_section(one, known) for one in filled if _is_told(one)])
    author = {"resourceType": "Device", "deviceName": [{"name": "Healix", "type": "manufacturer-name"}]}
    entries = {
        f"urn:uuid:{uuid.uuid4()}": composition,
        **dict([entry_of(base, patient)]),
        device: author,
        **dict(entry_of(base, one) for section in filled for one in section.entries),
        **dict(entry_of(base, one) for one in brought),
    }
    return encode(document_of(list(entries.items()), PROFILE))


def _is_told(filled: Filled) -> bool:
    return filled.section.required or bool(filled.entries)


def _composition(patient: Stored, device: str, sections: Sequence[Json]) -> Json:
    now = instant(clock.now())
    return {
        "resourceType": "Composition",
        "meta": {"profile": [f"{IPS}/StructureDefinition/Composition-uv-ips"]},
        "text": narrative([], {}, "International Patient Summary"),
        "status": "final",
        "type": {"coding": [{"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": f"Patient/{patient.id}"},
        "date": now,
        "author": [{"reference": device}],
        "title": "International Patient Summary",
        "confidentiality": "N",
        "event": [
            {
                "code": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActClass", "code": "PCPR"}]}],
                "period": {"end": now},
            }
        ],
        "section": list(sections),
    }


def _section(filled: Filled, known: dict[str, Json]) -> Json:
    section, resources = filled.section, [decode_stored(one.body) for one in filled.entries]
    return {
        "title": section.title,
        "code": {"coding": [{"system": LOINC, "code": section.code}]},
        "text": narrative(resources, known, "" if resources else UNAVAILABLE_TEXT),
    } | ({"entry": list(_references(filled))} if resources else {"emptyReason": UNAVAILABLE})


UNAVAILABLE_TEXT = str(UNAVAILABLE["text"])


def _references(filled: Filled) -> Iterator[Json]:
    for one in filled.entries:
        yield {"reference": f"{one.type}/{one.id}"}
