"""The search parameters of AuditEvent as conditions on rows `e` of audit_event. What is not here is refused by name.

Spec: FHIR R4, hl7.org/fhir/R4/auditevent.html#search
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from healix_fhir.interaction.trail.render import ACCOUNT, CLIENT_ID, DICOM_UID
from healix_fhir.interaction.trail.vocabulary import INTERACTION, SENSES, WORDS, Coding, sense
from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.search.compare import compare_instant
from healix_fhir.search.dates import interval
from healix_fhir.search.nodes import Prefix

ALTERNATIVES = 100
OUTCOME = "http://hl7.org/fhir/audit-event-outcome"
ACTION = "http://hl7.org/fhir/audit-event-action"
Criterion = Callable[[str, str], Fragment]
"""What one alternative of a parameter asks for; the second argument is this server's FHIR base URL."""


def condition(name: str, value: str, base: str) -> Fragment | None:
    """What `name=value` asks for; None for a name that AuditEvent has not. Raises Invalid for a bad value."""
    read = CRITERIA.get(name)
    if read is None:
        return None
    values = value.split(",")
    if len(values) > ALTERNATIVES:
        raise invalid(f"{name} takes at most {ALTERNATIVES} alternatives", code="too-costly")
    arms = [read(one, base) for one in values]
    return Fragment(
        "(" + " OR ".join(arm.sql for arm in arms) + ")", tuple(param for arm in arms for param in arm.params)
    )


def _date(value: str, _: str) -> Fragment:
    prefix, rest = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
    covered = interval(rest)
    if covered is None or prefix not in {one.value for one in Prefix}:
        raise _bad("date", value, "a date")
    return compare_instant(Prefix(prefix), "e.recorded", covered)


def _reference(name: str, value: str, base: str, kinds: tuple[str, ...]) -> str:
    """`Type/id`, from that, from an address on this server, or from an id alone where there is one type."""
    text = value.removeprefix(f"{base}/")
    if "/" not in text and len(kinds) == 1:
        text = f"{kinds[0]}/{text}"
    kind, _, id_ = text.partition("/")
    if (kinds and kind not in kinds) or not is_logical_id(id_.partition("/")[0]):
        raise _bad(name, value, "a reference")
    return text


def _patient(value: str, base: str) -> Fragment:
    return Fragment("e.patient = %s", (_reference("patient", value, base, ("Patient",)).partition("/")[2],))


def _agent(value: str, base: str) -> Fragment:
    wanted = _reference("agent", value, base, ("Patient", "Practitioner"))
    return Fragment("e.account IN (SELECT username FROM account WHERE fhir_user = %s)", (wanted,))


def _agent_identifier(value: str, _: str) -> Fragment:
    system, bar, code = value.rpartition("|")
    arms = [
        Fragment(f"e.{column} = %s", (code,))
        for column, known in (("client", CLIENT_ID), ("account", ACCOUNT))
        if not bar or system == known
    ]
    return _any(arms)


def _entity(value: str, base: str) -> Fragment:
    wanted = _reference("entity", value, base, ())
    if wanted.startswith("Patient/") and wanted.count("/") == 1:
        return Fragment("(e.entity = %s OR e.patient = %s)", (wanted, wanted.partition("/")[2]))
    return Fragment("e.entity = %s", (wanted,))


def _entity_identifier(value: str, _: str) -> Fragment:
    system, bar, code = value.rpartition("|")
    if bar and system != DICOM_UID:
        return Fragment("FALSE")
    return Fragment("e.entity = %s", (code.removeprefix("urn:oid:"),))


def _code(column: str, known: str) -> Criterion:
    def read(value: str, _: str) -> Fragment:
        system, bar, code = value.rpartition("|")
        return Fragment(f"e.{column}::text = %s", (code,)) if not bar or system == known else Fragment("FALSE")

    return read


def _type(value: str, _: str) -> Fragment:
    """Events of a type are those of the words that mean it, and of the families of words."""
    words = [word for word in SENSES if _is(value, sense(word).type)]
    arms = [Fragment("e.subtype = ANY(%s)", (words,))] if words else []
    arms += [
        Fragment(f"e.subtype LIKE '{family}%%'")
        for family in ("$", "fhir.", "dicomweb.")
        if _is(value, sense(family).type)
    ]
    return _any(arms)


def _subtype(value: str, _: str) -> Fragment:
    words = [word for word in SENSES if any(_is(value, coding) for coding in sense(word).subtypes)]
    arms = [Fragment("e.subtype = ANY(%s)", (words,))] if words else []
    if _is(value, Coding(INTERACTION, "operation")):
        arms.append(Fragment("e.subtype LIKE '$%%'"))
    system, bar, code = value.rpartition("|")
    if not bar or system == WORDS:
        arms.append(Fragment("e.subtype = %s", (code,)))
    return _any(arms)


def _is(value: str, coding: Coding) -> bool:
    system, bar, code = value.rpartition("|")
    return (not bar or system == coding.system) and (code == coding.code or (bool(bar) and not code))


def _text(column: str) -> Criterion:
    def read(value: str, _: str) -> Fragment:
        return Fragment(f"starts_with(lower(e.{column}), lower(%s))", (value,))

    return read


def _agent_name(value: str, base: str) -> Fragment:
    return _any([_text("account")(value, base), _text("client")(value, base)])


def _any(arms: list[Fragment]) -> Fragment:
    if not arms:
        return Fragment("FALSE")
    return Fragment(
        "(" + " OR ".join(arm.sql for arm in arms) + ")", tuple(param for arm in arms for param in arm.params)
    )


def _bad(name: str, value: str, wanted: str) -> HealixError:
    return invalid(f"{name}: '{value[:100]}' is not {wanted}", code="value")


CRITERIA: Mapping[str, Criterion] = {
    "date": _date,
    "_lastUpdated": _date,
    "patient": _patient,
    "patient:Patient": _patient,
    "agent": _agent,
    "agent:identifier": _agent_identifier,
    "agent-name": _agent_name,
    "altid": lambda value, _: Fragment("e.account = %s", (value.rpartition("|")[2],)),
    "address": _text("address"),
    "action": _code("action", ACTION),
    "outcome": _code("outcome", OUTCOME),
    "type": _type,
    "subtype": _subtype,
    "entity": _entity,
    "entity:identifier": _entity_identifier,
}
CODES = ("_id", *(name for name in CRITERIA if ":" not in name))
"""The parameters that the CapabilityStatement names."""
