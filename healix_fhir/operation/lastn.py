"""$lastn: the newest observations of each code, for each subject.

Which observations are meant is said by the parameters of a search: a patient or subject, and a category or code. Those
that share a coding are of one code, and so are those that share one with these; those without codings go by their text.

Spec: FHIR R4, hl7.org/fhir/R4/observation-operation-lastn.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from urllib.parse import urlencode

import msgspec

from healix_fhir.interaction.page import encode_page
from healix_fhir.interaction.result import Entry, Page
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.operation_definition import standard
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.invocation import Invocation
from healix_fhir.search.matched import Matched, conditions, matched
from healix_fhir.search.query import Query
from healix_fhir.store.read import audit_shown
from smart_auth.access import AccessContext

OBSERVATION = "Observation"
MOST = 20_000
"""Observations that one call may look at."""
LASTN = changed(
    standard("Observation-lastn"),
    f"All search parameters of Observation are taken. A call looks at {MOST} observations at most.",
)


class Coding(msgspec.Struct, frozen=True):
    """What of a Coding tells what it means."""

    system: str = ""
    code: str = ""


class Concept(msgspec.Struct, frozen=True):
    """A CodeableConcept."""

    coding: tuple[Coding, ...] = ()
    text: str = ""


class Subject(msgspec.Struct, frozen=True):
    """Whom an observation is about."""

    reference: str = ""


class Head(msgspec.Struct, frozen=True):
    """What of an Observation decides in which group it is."""

    code: Concept
    subject: Subject = Subject()


_head = msgspec.json.Decoder(Head)


async def lastn(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The searchset. Raises Forbidden, Invalid for a call that names no subject or code, TooLarge."""
    given, base = invocation.given, interactions.bases[0]
    query = conditions(OBSERVATION, given.further, "$lastn", base)
    _check(query, access)
    most = given.number("max") or 1
    params = urlencode([*query.params, *(("max", str(value)) for value in given.all("max"))])
    page = await interactions.looked_up(lambda: _page(access, query, most, params, base), aside=True)
    return encode_page(page, base, f"{OBSERVATION}/$lastn")


def _check(query: Query, access: AccessContext) -> None:
    codes = {name.partition(":")[0].partition(".")[0] for name, _ in query.params}
    if not codes & {"patient", "subject"} and (access.patient is None or not access.alone):
        raise invalid("$lastn needs the parameter 'patient' or 'subject'", code="required", expression=("patient",))
    if "category" not in codes and not any("code" in name.split("-") for name in codes):
        raise invalid("$lastn needs the parameter 'category' or one of codes", code="required", expression=("code",))


def _page(access: AccessContext, query: Query, most: int, params: str, base: str) -> Work[Page]:
    found = yield from matched(access, query, MOST, base)
    last = newest(found, most)
    row = AuditRow(access.origin, "E", "$lastn", patient=access.patient, entity=OBSERVATION, query=params)
    yield audit_shown(row, [(OBSERVATION, one.id) for one in last])
    entries = tuple(Entry(f"{base}/{OBSERVATION}/{one.id}", one.body, "match") for one in last)
    return Page("searchset", entries, len(entries), {"self": params})


def newest(found: Sequence[Matched], most: int) -> list[Matched]:
    """The `most` newest of each group, and those of the same time as the last of these; `found` is in that order."""
    heads = [_head.decode(one.body) for one in found]
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for n, name in enumerate(group_names(heads)):
        inside = groups[name]
        if len(inside) < most or (found[n].date is not None and found[n].date == found[inside[-1]].date):
            inside.append(n)
    return [found[n] for n in sorted(n for inside in groups.values() for n in inside)]


def group_names(heads: Sequence[Head]) -> Iterator[Hashable]:
    """For each observation the name of its group: one of the codes that are equivalent to its own."""
    above: dict[Hashable, Hashable] = {}

    def top(name: Hashable) -> Hashable:
        while (higher := above.get(name, name)) != name:
            above[name] = above.get(higher, higher)
            name = higher
        return name

    named = [_names(head) or [number] for number, head in enumerate(heads)]
    for first, *others in named:
        for other in others:
            above[top(other)] = top(first)
    for first, *_ in named:
        yield top(first)


def _names(head: Head) -> list[Hashable]:
    """The codes of an observation, or its text, each for its subject; one that has neither is in no group."""
    whose = head.subject.reference
    codes: list[Hashable] = [(whose, one.system, one.code) for one in head.code.coding if one.code]
    return codes or ([(whose, head.code.text)] if head.code.text else [])
