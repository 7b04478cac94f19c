"""What the query of a scope on Task asks of a workitem, read as the Task that it is.

| parameter | of the workitem |
|---|---|
| `status` | Procedure Step State |
| `intent` | always `order` |
| `priority` | Scheduled Procedure Step Priority |
| `code` | Scheduled Workitem Code Sequence |
| `patient`, `subject` | the patient whom PatientID and issuer mean |
| `identifier` | the UID, as `urn:dicom:uid|urn:oid:[UID]` |

Nothing else of a Task is in a workitem, so that a scope that asks for more opens none.

Spec: FHIR R4, hl7.org/fhir/R4/task.html#search; PS3.3 Table C.30.1-1 and PS3.4 CC.1.1 (2024d) for the terms
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from dicomweb.workitem.marks import SCHEME
from dicomweb.workitem.states import State
from healix_fhir.kernel.conditions import EVERYTHING, NOTHING, all_of, any_of
from healix_fhir.kernel.database import Fragment
from smart_auth.scope import Query, alternatives

TASK_STATUS = "http://hl7.org/fhir/task-status"
STATUS: Mapping[str, State] = {
    "requested": State.SCHEDULED,
    "in-progress": State.IN_PROGRESS,
    "completed": State.COMPLETED,
    "cancelled": State.CANCELED,
}
PRIORITY: Mapping[str, str] = {"stat": "HIGH", "urgent": "MEDIUM", "routine": "LOW"}
"""HIGH is what a STAT request has, and LOW is routine."""
REQUEST_PRIORITY, INTENT = "http://hl7.org/fhir/request-priority", "http://hl7.org/fhir/task-intent"
SCHEMES: Mapping[str, tuple[str, ...]] = {
    "http://dicom.nema.org/resources/ontology/DCM": ("DCM",),
    "http://snomed.info/sct": ("SCT", "SRT"),
    "http://loinc.org": ("LN",),
    "http://unitsofmeasure.org": ("UCUM",),
}
"""Coding schemes by the address of the code system. Spec: PS3.16 8-1 (2024d)"""
CODE, LONG_CODE = "00404018.00080100", "00404018.00080119"
PRIORITIES = "00741200"
DICOM_UID, OID = "urn:dicom:uid", "urn:oid:"
ESCAPED = re.compile(r"\\(.)")
PATIENT = re.compile(r"(?:Patient/)?([A-Za-z0-9.-]{1,64})")


def asks(query: Query) -> bool:
    """Whether a workitem can be asked all that a query asks."""
    return all(name.partition(":")[0] in PARAMETERS and name.partition(":")[1:] in PLAIN for name, _ in query)


PLAIN = (("", ""), (":", "not"))
"""No modifier, or the one that asks for the opposite."""


def condition(query: Query) -> Fragment:
    """The condition on the rows `w` that a query holds."""
    return all_of(_pair(name, value) for name, value in query) if asks(query) else NOTHING


def _pair(name: str, value: str) -> Fragment:
    parameter, _, modifier = name.partition(":")
    found = any_of(PARAMETERS[parameter](ESCAPED.sub(r"\1", one)) for one in sorted(alternatives(value)))
    return Fragment(f"NOT ({found.sql})", found.params) if modifier else found


ANY = "*"


def _token(value: str, system: str) -> str:
    """The code of a token, where it is of a system; `ANY` for all of that, empty where it is of another."""
    given, bar, code = value.rpartition("|")
    if bar and given != system:
        return ""
    return ANY if bar and not code else code


def _status(value: str) -> Fragment:
    code = _token(value, TASK_STATUS)
    if code == ANY:
        return EVERYTHING
    state = STATUS.get(code)
    return Fragment("w.state = %s", (state.value,)) if state is not None else NOTHING


def _intent(value: str) -> Fragment:
    return EVERYTHING if _token(value, INTENT) in ("order", ANY) else NOTHING


def _priority(value: str) -> Fragment:
    code = _token(value, REQUEST_PRIORITY)
    if code == ANY:
        return EVERYTHING
    wanted = PRIORITY.get(code)
    return _held("k.path = %s AND k.value = %s", (PRIORITIES, wanted)) if wanted is not None else NOTHING


def _code(value: str) -> Fragment:
    system, bar, code = value.rpartition("|")
    if not code and not system:
        return NOTHING
    parts = [Fragment("k.path IN (%s, %s)", (CODE, LONG_CODE))]
    if code:
        parts.append(Fragment("k.value = %s", (code,)))
    if bar:
        schemes = any_of(Fragment("s.value = %s", (scheme,)) for scheme in SCHEMES.get(system, (system,)))
        parts.append(
            Fragment(
                "EXISTS (SELECT FROM workitem_key s WHERE s.workitem = w.pk AND s.item = k.item"
                f" AND s.path = %s AND {schemes.sql})",
                (f"00404018.{SCHEME}", *schemes.params),
            )
        )
    whole = all_of(parts)
    return _held(whole.sql, whole.params)


def _patient(value: str) -> Fragment:
    found = PATIENT.fullmatch(value)
    return Fragment("w.pat = (SELECT p.pat FROM patient_key p WHERE p.id = %s)", (found[1],)) if found else NOTHING


def _identifier(value: str) -> Fragment:
    system, bar, identifier = value.rpartition("|")
    if (bar and system != DICOM_UID) or not identifier.startswith(OID):
        return NOTHING
    return Fragment("w.uid = %s", (identifier.removeprefix(OID),))


def _held(sql: str, params: tuple[object, ...]) -> Fragment:
    return Fragment(f"EXISTS (SELECT FROM workitem_key k WHERE k.workitem = w.pk AND {sql})", params)


PARAMETERS: Mapping[str, Callable[[str], Fragment]] = {
    "status": _status,
    "intent": _intent,
    "priority": _priority,
    "code": _code,
    "patient": _patient,
    "subject": _patient,
    "identifier": _identifier,
}
