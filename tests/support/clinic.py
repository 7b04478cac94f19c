"""A clinic of one test: FHIR, worklist and images over one database, the job worker's part done on demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from dicomweb.procedure.performed.change import change as set_step
from dicomweb.procedure.performed.create import create
from dicomweb.procedure.scheduled.search import query, search
from healix_fhir.imaging import bridge, orders, workitems
from healix_fhir.imaging.performing import consumer as performing
from healix_fhir.imaging.scheduling import consumer as scheduling
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.consume import drain
from healix_fhir.model.json import decode
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext
from smart_auth.scope import parse
from tests.support.procedure import begun, request
from tests.support.study import SYSTEM, Store
from tests.support.workitems import Members

BASES = ("http://localhost/fhir",)
MODALITY = AccessContext(parse("system/ServiceRequest.s system/Procedure.cru"), Origin(client="CT1"))
UID = "1.2.826.0.1.3680043.10.1714.91.1"


@dataclass
class Clinic:
    """FHIR, worklist and images of one test."""

    store: Store

    def put(self, *resources: dict[str, Any]) -> None:
        """Store resources and let the job worker work."""
        changes = [change(Method.PUT, dict(one), one["resourceType"], one["id"], BASES) for one in resources]
        self.store.run(commit(SYSTEM, changes))
        self.settle()

    def delete(self, type_name: str, id_: str) -> None:
        """Delete a resource and let the job worker work."""
        self.store.run(commit(SYSTEM, [Change(Method.DELETE, type_name, id_)]))
        self.settle()

    def get(self, type_name: str, id_: str) -> dict[str, Any]:
        """The current resource."""
        ((body,),) = self.store.sql(
            "SELECT body FROM resource r JOIN (VALUES (%s::text)) v (id) USING (id) WHERE NOT deleted"
            " AND convert_from(body, 'UTF8')::json ->> 'resourceType' = %s",
            id_,
            type_name,
        )
        found: dict[str, Any] = decode(bytes(body))
        return found

    def settle(self) -> None:
        """Do what the job worker does."""
        consumers = {
            "study": (bridge.studies(BASES),),
            "resource": (
                bridge.patients, orders.service_requests, workitems.patients, scheduling.consumer(BASES),
                performing.patients,
            ),
            "performed-step": (performing.consumer(BASES),),
        }  # fmt: skip
        for _ in range(30):
            self.store.sql("UPDATE outbox SET due = now() - interval '1 s'")
            with self.store.pool.connection() as connection:
                if not drain(connection, consumers):
                    assert self.store.sql("SELECT payload FROM outbox WHERE attempts > 0") == []
                    return
        pytest.fail("the outbox never becomes empty")

    def worklist(self, keys: Members | None = None, access: AccessContext = MODALITY) -> list[Members]:
        """The answers of a query."""
        asked = query(keys or request({"ScheduledProcedureStepID": None}, AccessionNumber=None), "CT1")
        return self.store.run(search(access, asked)).answers

    def begin(self, item: dict[str, Any] | None = None, uid: str = UID, **attributes: Any) -> None:
        """N-CREATE for what the worklist says, and let the job worker work."""
        (step,) = self.worklist(
            request({"ScheduledProcedureStepID": None}, StudyInstanceUID=None, AccessionNumber=None)
        )
        said = {
            "StudyInstanceUID": step["0020000D"]["Value"][0],
            "AccessionNumber": step["00080050"]["Value"][0],
            "ScheduledProcedureStepID": step["00400100"]["Value"][0]["00400009"]["Value"][0],
        }
        self.store.run(create(MODALITY, uid, begun(said | (item or {}), **attributes)))
        self.settle()

    def set(self, given: Members, uid: str = UID, access: AccessContext = MODALITY) -> None:
        """N-SET, and let the job worker work."""
        self.store.run(set_step(access, uid, given))
        self.settle()
