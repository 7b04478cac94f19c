"""$expand of a value set: its members, in pages of a fixed order.

Members are read from the tables of concepts as they are asked for; nothing is expanded beforehand, and no more than a
page is held. Without `count` an expansion is given whole where it is not too large. The list is flat, unless
`excludeNested=false` asks for a whole one that is nested.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-operation-expand.html, hl7.org/fhir/R4/valueset.html#expansion
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.operation.as_of import check_date
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.system_meant import USE_SUPPLEMENT
from healix_fhir.operation.value_set import context_of, source_of
from healix_fhir.terminology.conditions import groups
from healix_fhir.terminology.displays import called, chosen, display
from healix_fhir.terminology.members import Arm, Counted, Member, Names, Narrowed, arms, count, page
from healix_fhir.terminology.membership import systems_of
from healix_fhir.terminology.nesting import DEEPEST, nested
from healix_fhir.terminology.resolve import resolved
from healix_fhir.terminology.sets import Supplemented
from healix_fhir.terminology.value_sets import Source
from healix_fhir.terminology.versions import by_system, check, versioned, without_systems
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = dict[str, Any]

MOST = 5000
"""Members of one answer."""
BEYOND = 1000
"""Members that are counted beyond those that are asked for, where counting means reading them."""
EXPAND = changed(
    standard("ValueSet-expand"),
    f"An answer has at most {MOST} members: a larger expansion is asked for by count and offset. It is flat, unless"
    " excludeNested is false: then codes stand below the next code above them that is a member, where a code system is"
    f" hierarchical and the value set does not list codes, up to {DEEPEST} below each other. Pages are flat, and then"
    " excludeNested is true among the parameters of the expansion. The total is left out where many codes would have to"
    " be read to count them. No code system here has post-coordinated codes. Definitions are used as they are now."
    " Supplements count where `useSupplement`, or the extension valueset-supplement of the value set, names them;"
    " `filter` does not look at what they call a code.",
    USE_SUPPLEMENT,
)
DIRECTIONS = ("incoming", "outgoing")
ABOUT = ("id", "url", "version", "name", "title", "status", "experimental", "language")
"""What stands beside an expansion without the definition."""
LEFT_OUT = ("expansion", "text", "contained", "meta")


async def expand(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The ValueSet with its expansion. Raises Invalid for what is not known, cannot be listed, or is too costly."""
    access.require("ValueSet", Permission.READ)
    given = invocation.given
    check_date(given)
    offset, limit = _place(given)
    _check_direction(given)
    context = await context_of(interactions, access, given)

    def make() -> Work[bytes]:
        source = yield from source_of(access, invocation, context)
        answer = yield from _expanded(access, source, given, offset, limit)
        yield record([AuditRow(access.origin, "E", "$expand", entity=source.url[:200] or None)])
        return answer

    return await interactions.timed(make)


def _place(given: Given) -> tuple[int, int | None]:
    offset, limit = given.number("offset"), given.number("count")
    if (offset or 0) < 0 or (limit or 0) < 0:
        raise invalid("offset and count are not negative", code="value", expression=("offset",))
    if limit is not None and limit > MOST:
        raise invalid(f"count is at most {MOST}", code="too-costly", expression=("count",))
    return offset or 0, limit


def _check_direction(given: Given) -> None:
    direction = given.text("contextDirection")
    if direction is not None and (direction not in DIRECTIONS or "context" not in given):
        raise invalid(
            f"contextDirection is {' or '.join(DIRECTIONS)}, beside context", code="value", expression=("context",)
        )


def _expanded(access: AccessContext, source: Source, given: Given, offset: int, limit: int | None) -> Work[bytes]:
    found = yield from resolved(access, source.composition)
    found = versioned(
        found,
        by_system("system-version", given.all("system-version")),
        by_system("force-system-version", given.all("force-system-version")),
    )
    found = without_systems(found, given.all("exclude-system"))
    if named := given.all("useSupplement"):
        found = Supplemented(found, tuple(named))
    systems = yield from systems_of(access, found)
    check(groups(found, systems), by_system("check-system-version", given.all("check-system-version")))
    narrowed = Narrowed(given.text("filter") or "", given.flag("activeOnly"), given.flag("excludeNotForUI"))
    parts = arms(found, systems, narrowed)
    most = offset + (MOST if limit is None else limit) + BEYOND
    counts = yield from count(parts, most)
    total = sum(one.size for one in counts)
    exact = not any(one.more for one in counts)
    if limit is None:
        if total - offset > MOST:
            many = f"{total}" if exact else f"{total} or more"
            raise invalid(
                f"the expansion has {many} members: ask for up to {MOST} at once by count and offset",
                code="too-costly",
                expression=("count",),
            )
        limit = MOST
    members = yield from page(parts, counts, offset, limit, Names(found))
    designated = (yield from called(members)) if _names(given) else [()] * len(members)
    contains = [_entry(member, names, given) for member, names in zip(members, designated, strict=True)]
    paged = "offset" in given or "count" in given
    nests = not given.flag("excludeNested", default=True)
    if nests and not paged:
        contains = yield from nested(members, contains)
    expansion: Json = {
        "identifier": f"urn:uuid:{uuid.uuid4()}",
        "timestamp": clock.instant(clock.now()),
        **({"total": total} if exact else {}),
        **({"offset": offset} if paged else {}),
        "parameter": [*_asked(given, flat=nests and paged), *_used(parts, counts)],
    }
    if contains:
        expansion["contains"] = contains
    if not expansion["parameter"]:
        del expansion["parameter"]
    return encode(_about(source.body, whole=given.flag("includeDefinition")) | {"expansion": expansion})


def _names(given: Given) -> bool:
    """Whether designations are needed."""
    return given.flag("includeDesignations") or "designation" in given or "displayLanguage" in given


def _entry(member: Member, designated: Sequence[Json], given: Given) -> Json:
    entry: Json = {"system": member.group.url}
    if member.abstract:
        entry["abstract"] = True
    if member.inactive:
        entry["inactive"] = True
    if member.group.shown_version:
        entry["version"] = member.group.shown_version
    entry["code"] = member.code
    if (shown := display(member, designated, given.text("displayLanguage"))) is not None:
        entry["display"] = shown
    if given.flag("includeDesignations") or "designation" in given:
        told = chosen(designated, given.all("designation"))
        if told:
            entry["designation"] = told
    return entry


ECHOED = {
    "filter": "valueString", "offset": "valueInteger", "count": "valueInteger", "includeDesignations": "valueBoolean",
    "designation": "valueString", "activeOnly": "valueBoolean", "excludeNested": "valueBoolean",
    "excludeNotForUI": "valueBoolean", "excludePostCoordinated": "valueBoolean", "displayLanguage": "valueCode",
    "exclude-system": "valueUri", "system-version": "valueUri", "check-system-version": "valueUri",
    "force-system-version": "valueUri", "date": "valueDateTime", "useSupplement": "valueUri",
}  # fmt: skip
"""Parameters of a call that stand in its expansion. Spec: FHIR R4, ValueSet.expansion.parameter"""


def _asked(given: Given, *, flat: bool) -> Iterator[Json]:
    """What was asked for; of a page that is `flat` though it was not to be, that it is."""
    for name, key in ECHOED.items():
        for value in given.all(name):
            yield {"name": name, key: True if name == "excludeNested" and flat else value}


def _used(parts: Sequence[Arm], counts: Sequence[Counted]) -> Iterator[Json]:
    """The code systems with the versions that were used."""
    used = {arm.group: None for arm, counted in zip(parts, counts, strict=True) if counted.size}
    for group in used:
        shown = group.shown_version
        yield {"name": "version", "valueUri": f"{group.url}|{shown}" if shown else group.url}
    supplements = [one for group in used if group.system is not None for one in group.system.supplements]
    for supplement in dict.fromkeys(one.canonical for one in supplements):
        yield {"name": "used-supplement", "valueUri": supplement}


def _about(body: Mapping[str, Any], *, whole: bool) -> Json:
    kept = {name: value for name, value in body.items() if (name not in LEFT_OUT if whole else name in ABOUT)}
    return {"resourceType": "ValueSet", "status": "active"} | kept
