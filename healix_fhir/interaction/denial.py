"""Which refusals are denials: what a caller's token does not open, told or answered as if it were not there.

Spec: FHIR R4, hl7.org/fhir/R4/security.html#audit; hl7.org/fhir/R4/valueset-type-restful-interaction.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.store.concerned import concerned
from smart_auth.access import AccessContext
from smart_auth.denial import NOBODY, Denial, of_patients
from smart_auth.scope import Permission

ACTIONS: Mapping[str, str] = {
    **dict.fromkeys(("read", "vread", "history-instance", "history-type", "history-system"), "R"),
    **dict.fromkeys(("update", "patch"), "U"),
    "create": "C",
    "delete": "D",
}
"""AuditEvent.action of an interaction; of all others it is E, execute."""


def denials(access: AccessContext, error: HealixError, word: str, entity: str = "") -> Iterator[Denial]:
    """What the audit trail says of a refusal: `word` is the interaction, `entity` what was asked of, as `Type/id`.

    Who sees all of a type was denied nothing when something of it is missing.
    """
    action = ACTIONS.get(word, "E")
    if error.category is Category.FORBIDDEN:
        type_name, _, rest = entity.partition("/")
        id_ = rest.partition("/")[0]
        whose = concerned(type_name, id_) if type_name in TYPE_ID and is_logical_id(id_) else NOBODY
        yield Denial(action, word, entity or None, of_patients(error.patients) if error.patients else whose)
    elif error.category is Category.NOT_FOUND:
        for type_name, id_ in error.about:
            if type_name in TYPE_ID and is_logical_id(id_) and not access.sees_all(type_name, Permission.READ):
                yield Denial(action, word, f"{type_name}/{id_}", concerned(type_name, id_))


WORDS: Mapping[str, str] = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def of_entry(access: AccessContext, entry: Wanted, error: HealixError) -> Iterator[Denial]:
    """What the audit trail says of a refused entry of a batch."""
    entity = f"{entry.type}/{entry.id}" if entry.id is not None and entry.method != "POST" else entry.type
    return denials(access, error, _word(entry), entity)


def _word(entry: Wanted) -> str:
    if entry.path and entry.path[-1].startswith("$"):
        return entry.path[-1]
    if entry.method in WORDS:
        return WORDS[entry.method]
    if "_history" in entry.path:
        return "vread" if entry.path[-1] != "_history" else "history-instance" if entry.id else "history-type"
    return "read" if entry.id is not None else "search-type"
