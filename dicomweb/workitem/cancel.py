"""Request Cancellation: the one service behind UPS-RS and N-ACTION 2.

An item that nobody has claimed is canceled at once. Who has claimed one is asked, by those who are subscribed to it;
where nobody is, the performer cannot hear of it, and the request is refused.

Spec: PS3.18 11.8, PS3.4 CC.2.2 (2024d)
"""

from __future__ import annotations

from dicomweb.dicomjson.reading import DataSet
from dicomweb.workitem.attributes import MODIFIED
from dicomweb.workitem.content import text
from dicomweb.workitem.requirements import canceled, require_final
from dicomweb.workitem.rows import audited, find, stamped, write
from dicomweb.workitem.states import State
from dicomweb.workitem.status import Failure, RefusedError, Success
from healix_fhir.kernel.database import Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

COMPLETED = "The UPS is already COMPLETED."
AWAY = "The performer cannot be contacted."


def request_cancellation(access: AccessContext, uid: str, given: DataSet) -> Work[Success]:
    """Ask for an item to be canceled; `given` may tell why and whom to talk to. Raises RefusedError, NotFound."""
    item = yield from find(access, Permission.UPDATE, uid, lock=True)
    if item.state is State.COMPLETED:
        raise RefusedError(Failure.ALREADY_COMPLETED, "the workitem is completed already", COMPLETED)
    if item.state is State.IN_PROGRESS:
        raise RefusedError(Failure.PERFORMER_AWAY, "nobody who performs the workitem can hear of the request", AWAY)
    if item.state is State.SCHEDULED:
        dataset = stamped(item.dataset, State.CANCELED)
        dataset = canceled(dataset, text(dataset, MODIFIED), given)
        require_final(dataset, State.CANCELED)
        yield write(item, State.CANCELED, None, dataset)
    yield audited(access, "U", "workitem-cancel", item)
    return Success.ALREADY_CANCELED if item.state is State.CANCELED else Success.DONE
