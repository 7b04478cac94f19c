"""In which language people are spoken to where no browser says: in mails, text messages, and what is written to them.

What they chose for their account comes first, then the language that the Patient prefers (Patient.communication), then
the clinic's (HEALIX_LANGUAGE).

Spec: FHIR R4, hl7.org/fhir/R4/patient-definitions.html#Patient.communication; BCP 47
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.language.spoken import LANGUAGES
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored

Json = Mapping[str, Any]


def preferred(person: Json) -> str | None:
    """The language that a Patient or RelatedPerson prefers, else the first that they speak, of those that there are."""
    spoken = sorted(person.get("communication", ()), key=lambda one: not one.get("preferred", False))
    codes = (
        str(coding.get("code", "")).partition("-")[0].lower()
        for one in spoken
        for coding in (one.get("language") or {}).get("coding", ())
    )
    return next((code for code in codes if code in LANGUAGES), None)


def tongues(users: Iterable[str], clinic: str) -> Work[dict[str, str]]:
    """The languages of people by their references, such as `Patient/ID` and `Practitioner/ID`."""
    named = sorted(set(users))
    chosen = yield Statement(
        "SELECT fhir_user, min(language) FROM account WHERE fhir_user = ANY(%s::text[]) AND language IS NOT NULL"
        " AND NOT disabled GROUP BY fhir_user",
        (arrays.text(named),),
    )
    told: dict[str, str] = dict(chosen)
    records = yield from _records([one for one in named if one not in told])
    return {one: told.get(one) or preferred(records.get(one, {})) or clinic for one in named}


def _records(users: Sequence[str]) -> Work[dict[str, Json]]:
    """Those of them that are Patients or RelatedPersons."""
    found: dict[str, Json] = {}
    for kind in ("Patient", "RelatedPerson"):
        ids = [one.partition("/")[2] for one in users if one.startswith(f"{kind}/")]
        if ids:
            rows = yield Statement(
                "SELECT id, body FROM resource WHERE type = %s AND id = ANY(%s::text[]) AND NOT deleted",
                (TYPE_ID[kind], arrays.text(ids)),
            )
            found |= {f"{kind}/{id_}": decode_stored(body) for id_, body in rows}
    return found
