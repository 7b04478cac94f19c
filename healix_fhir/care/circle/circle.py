"""Who has access to the record of a patient: clinicians and those who act for the patient, since when and why."""

from __future__ import annotations

from datetime import datetime

import msgspec

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from smart_auth.break_glass import SOURCE
from smart_auth.care_list import IN_FORCE
from smart_auth.patients import patient_keys
from smart_auth.person import PROXY

EMERGENCY = "emergency"


class Reason(msgspec.Struct, frozen=True):
    """Why somebody has access: the type of what says so, or `EMERGENCY`. Without `until` it has no end."""

    why: str
    since: datetime | None
    until: datetime | None


class Member(msgspec.Struct, frozen=True):
    """`who` is the logical id of a Practitioner, or `RelatedPerson/ID`."""

    who: str
    reasons: tuple[Reason, ...]

    @property
    def acts(self) -> bool:
        """Whether this is somebody who acts for the patient."""
        return self.who.startswith(f"{PROXY}/")

    @property
    def endable(self) -> bool:
        """Whether more than an emergency, which ends by itself, lets them in."""
        return any(one.why != EMERGENCY for one in self.reasons)


def circle(patient: str) -> Work[list[Member]]:
    """Who has access at present. Whoever asks must be let in to the record, and have changed nothing by asking."""
    keys = yield from patient_keys([patient])
    rows = yield Statement(
        f"""SELECT v.practitioner, v.source, v.ends,
              coalesce(v.starts, (SELECT min(h.updated) FROM resource_history h WHERE h.type = t.type AND h.id = t.id),
                       (SELECT r.updated FROM resource r WHERE r.type = t.type AND r.id = t.id))
            FROM care_relationship v
            LEFT JOIN LATERAL (
              SELECT x.type, substr(v.source, length(x.name) + 2) AS id
              FROM unnest(%s::smallint[], %s::text[]) AS x (type, name)
              WHERE x.name = split_part(v.source, '/', 1)) t ON true
            WHERE v.pat = %s AND {IN_FORCE} ORDER BY v.practitioner, v.source""",
        (list(TYPE_ID.values()), list(TYPE_ID), keys[patient]),
    )
    found: dict[str, list[Reason]] = {}
    for who, source, ends, since in rows:
        why = EMERGENCY if source.startswith(SOURCE) else source.partition("/")[0]
        found.setdefault(who, []).append(Reason(why, since, ends))
    return [Member(who, tuple(reasons)) for who, reasons in found.items()]
