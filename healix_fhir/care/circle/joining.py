"""Accept an invitation on a page: the record is open when the page is shown, without the job worker."""

from __future__ import annotations

from healix_fhir.care import relationships
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.operation.circle.joining import CARE_TEAM, accept
from smart_auth.access import AccessContext


def join(
    access: AccessContext, bases: tuple[str, ...], *, id_: str = "", code: str = "", patient: str = ""
) -> Work[str]:
    """As `accept`; the relationship is there in the same transaction."""
    team = yield from accept(access, bases, id_=id_, code=code, patient=patient)
    yield from relationships.consumer(bases)([Event("resource", {"type": CARE_TEAM, "id": team})])
    return team
