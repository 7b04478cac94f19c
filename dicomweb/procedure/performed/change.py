"""N-SET: how a procedure step goes on, and how it has ended.

Only who has created a step changes it: it is under the control of that modality.

Spec: PS3.4 F.7.2.2 (2024d)
"""

from __future__ import annotations

from dicomweb.dicomjson.reading import DataSet
from dicomweb.events import step_performed
from dicomweb.procedure.performed.requirements import changed
from dicomweb.procedure.performed.rows import audited, find, write
from dicomweb.procedure.performed.scheduled import settle
from dicomweb.procedure.performed.status import Failure, RefusedError
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.outbox import publish
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


def change(access: AccessContext, uid: str, given: DataSet) -> Work[None]:
    """Change attributes of a step that is in progress, or end it. Raises RefusedError."""
    step = yield from find(access, Permission.UPDATE, uid, lock=True)
    if step.aet != access.origin.client:
        raise RefusedError(Failure.NOT_AUTHORIZED, "the step was created by another application entity")
    dataset, state = changed(step.dataset, given)
    yield write(step.pk, dataset, state)
    yield from settle(step.steps)
    yield audited(access, "U", "performed-step-change", uid, step.patient)
    yield publish(step_performed([uid]))
