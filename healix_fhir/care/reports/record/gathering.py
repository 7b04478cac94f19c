"""Reads a record for a report: what the person who asked for it may see, and nothing else.

Every search and every read is under the access of who asked. How much is read has an end, in resources and in bytes;
what is left out is counted, so that the document can say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from healix_fhir.care.reports.record.sections import HEAVIEST, SECTIONS, Period, Wanted, belongs, conditions_of
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Work
from healix_fhir.model.definitions import TYPE_NAME
from healix_fhir.model.json import decode_stored
from healix_fhir.model.references import references
from healix_fhir.search.matched import conditions, matched
from healix_fhir.search.params.reference import target
from healix_fhir.store.read import audit_shown, read
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = dict[str, Any]
NAME = "$report"
BROUGHT = frozenset(
    {"Practitioner", "PractitionerRole", "Organization", "Location", "Medication", "Device", "Observation", "Condition"}
)
"""What entries refer to and is needed to tell of them."""
OF_PATIENT = frozenset({"Observation", "Condition"})
"""Of these only those in the record: whoever reads the document would read of another patient by a wrong reference."""
MOST_BROUGHT = 500
PLAIN = ("vitals",)
"""Sections whose entries are told without what they refer to."""


class Found(msgspec.Struct, frozen=True):
    """The entries of a section, the newest first.

    `seen`: whether the token opens any of it; `more`: whether there are older ones; `heavy`: how many were too large.
    """

    resources: tuple[Json, ...] = ()
    seen: bool = True
    more: bool = False
    heavy: int = 0


class Gathered(msgspec.Struct, frozen=True):
    """A record as it was read.

    `known` are the resources that entries refer to, by `Type/id`; `pictured` those whose pictures are in it.
    """

    patient: Json
    period: Period
    sections: Mapping[str, Found]
    known: Mapping[str, Json]
    pictured: tuple[Json, ...] = ()


def gather(
    access: AccessContext, patient: str, period: Period, wanted: Iterable[str], bases: tuple[str, ...]
) -> Work[Gathered]:
    """The sections `wanted` of the record. Raises NotFound for a patient who is not there or not to be seen."""
    about = decode_stored((yield from read(access, "Patient", patient)).body)
    sections = {}
    for name in (name for name in SECTIONS if name in wanted):
        sections[name] = yield from _section(access, SECTIONS[name], patient, period, bases[0])
    known = yield from _brought(access, patient, [about, *_referring(sections)], bases)
    entries = [one for found in sections.values() for one in found.resources]
    shown = list(dict.fromkeys((one["resourceType"], one["id"]) for one in (*entries, *known.values())))
    yield audit_shown(AuditRow(access.origin, "E", NAME, patient=patient, entity=f"Patient/{patient}"), shown)
    return Gathered(about, period, sections, known)


def everything(gathered: Gathered) -> Iterator[Json]:
    """Every resource that a report tells of."""
    yield gathered.patient
    for found in gathered.sections.values():
        yield from found.resources
    yield from gathered.known.values()
    yield from gathered.pictured


def _section(access: AccessContext, searches: Iterable[Wanted], patient: str, period: Period, base: str) -> Work[Found]:
    open_ = [one for one in searches if access.allows(one.type, Permission.SEARCH)]
    resources: list[Json] = []
    more, heavy = False, 0
    for wanted in open_:
        query = conditions(wanted.type, conditions_of(wanted, patient, period), NAME, base)
        found = yield from matched(access, query, wanted.most + 1, base, cut=True, heaviest=wanted.heaviest)
        more = more or (len(found) > wanted.most and not wanted.newest)
        bodies = [one.body for one in found[: wanted.most]]
        heavy += bodies.count(b"")
        resources += [decode_stored(body) for body in bodies if body]
    kept = [one for one in resources if belongs(one, period)]
    return Found(tuple(kept), bool(open_), more, heavy)


def _referring(sections: Mapping[str, Found]) -> Iterator[Json]:
    return (one for name, found in sections.items() if name not in PLAIN for one in found.resources)


def _brought(
    access: AccessContext, patient: str, resources: Iterable[Json], bases: tuple[str, ...]
) -> Work[dict[str, Json]]:
    """What resources refer to, as far as the caller may see it: a search for each type, not one read for each."""
    wanted: dict[str, dict[str, str]] = {}
    for one in resources:
        for _, text in references(one):
            place = target(text, bases)
            if place is not None and place[0] is not None and TYPE_NAME[place[0]] in BROUGHT:
                wanted.setdefault(TYPE_NAME[place[0]], {}).setdefault(place[1], text)
    known: dict[str, Json] = {}
    for type_name, named in wanted.items():
        if access.allows(type_name, Permission.SEARCH):
            own = [("patient", f"Patient/{patient}")] if type_name in OF_PATIENT else []
            params = [("_id", ",".join(list(named)[:MOST_BROUGHT])), *own]
            query = conditions(type_name, params, NAME, bases[0])
            found = yield from matched(access, query, MOST_BROUGHT, bases[0], cut=True, heaviest=HEAVIEST)
            for match in found:
                if match.body:
                    known[f"{type_name}/{match.id}"] = known[named[match.id]] = decode_stored(match.body)
    return known
