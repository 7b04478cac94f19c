"""The parameters of a search of AuditEvents: conditions of the trail, and how the result comes back.

The trail has one order, by time; it is joined to nothing, so includes, chains and further orders are refused by name.

Spec: FHIR R4, hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from healix_fhir.interaction.trail.criteria import CODES, condition
from healix_fhir.kernel.audit import AUDIT_EVENT
from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import Issue, invalid, unsupported
from healix_fhir.model.definitions import search_parameters
from healix_fhir.model.subset import check
from healix_fhir.search.controls import CONTROLS, EDGE, Controls
from healix_fhir.search.searched import Searched

PARAMETERS = 100
READ = ("_count", "_total", "_summary", "_elements", "_cursor", "_type")
"""The controls that the trail shares with other searches."""
ORDERS = {"date": False, "-date": True, "_lastUpdated": False, "-_lastUpdated": True}


def of_trail(searched: Searched, params: Sequence[tuple[str, str]]) -> bool:
    """Whether a search is one of AuditEvents alone. Raises Unsupported when it would join them to something else."""
    types = {name for key, value in params if key == "_type" for name in value.split(",")}
    if searched.types == (AUDIT_EVENT,) or types == {AUDIT_EVENT}:
        return AUDIT_EVENT in searched.types
    for name, value in params:
        if AUDIT_EVENT in types or name.startswith(_HAS) or (name in _BACK and value.startswith(_FROM)):
            raise unsupported(f"{name[:100]}: AuditEvents are searched by themselves: {AUDIT_EVENT}?...")
    return False


_HAS, _FROM = f"_has:{AUDIT_EVENT}:", f"{AUDIT_EVENT}:"
_BACK = ("_revinclude", "_revinclude:iterate", "_revinclude:recurse", "_include:iterate", "_include:recurse")


@dataclass(slots=True)
class Asked:
    """A search of the trail. `ids` are the values of each `_id`; `newest` first unless the caller turns it."""

    controls: Controls = field(default_factory=lambda: Controls((AUDIT_EVENT,), (AUDIT_EVENT,)))
    where: list[Fragment] = field(default_factory=list)
    ids: list[list[str]] = field(default_factory=list)
    newest: bool = True
    kept: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[Issue] = field(default_factory=list)


def read(searched: Searched, params: Sequence[tuple[str, str]], *, strict: bool, base: str) -> Asked:
    """What `params` ask for. Raises Invalid or Unsupported with a message that names the parameter."""
    if len(params) > PARAMETERS:
        raise invalid(f"a search takes at most {PARAMETERS} parameters", code="too-costly")
    asked = Asked()
    if searched.owner:
        asked.where.append(_compartment(searched, base))
    for name, value in params:
        if name in EDGE:
            continue
        if "\x00" in name + value:
            raise invalid("a search parameter holds a character that no FHIR string may hold", code="value")
        if value and _take(asked, name, value, base):
            if name != "_cursor":
                asked.kept.append((name, value))
            continue
        problem = f"the parameter {name[:100]} is not known for AuditEvent" if value else f"{name[:100]} has no value"
        if strict:
            raise invalid(problem, code="not-supported")
        asked.ignored.append(Issue("not-supported", f"{problem}; it was ignored", severity="warning"))
    check(asked.controls.subset, (AUDIT_EVENT,), includes=False)
    return asked


def _compartment(searched: Searched, base: str) -> Fragment:
    name = {"Patient": "patient", "Practitioner": "agent"}.get(searched.owner)
    found = condition(name, f"{searched.owner}/{searched.id}", base) if name else None
    return found or Fragment("FALSE")


def _take(asked: Asked, name: str, value: str, base: str) -> bool:
    if name in READ:
        CONTROLS[name](asked.controls, value)
    elif name == "_sort":
        if value not in ORDERS:
            raise unsupported(f"_sort: AuditEvents are sorted by date or -date, not by '{value[:100]}'")
        asked.newest = ORDERS[value]
    elif name == "_id":
        asked.ids.append(value.split(",")[:PARAMETERS])
    elif (found := condition(name, value, base)) is not None:
        asked.where.append(found)
    elif _of_the_standard(name):
        raise unsupported(f"{name[:100]}: a search of AuditEvents reads {', '.join(CODES)} only")
    else:
        return False
    return True


def _of_the_standard(name: str) -> bool:
    code = name.partition(":")[0].partition(".")[0]
    return code.startswith("_") or code in search_parameters(AUDIT_EVENT)
