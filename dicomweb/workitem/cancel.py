"""Request Cancellation: the one service behind UPS-RS and N-ACTION 2.

An item that nobody has claimed is canceled at once. Who has claimed one is asked, by those who are subscribed to it;
where nobody is, the performer cannot hear of it, and the request is refused.

Spec: PS3.18 11.8, PS3.4 CC.2.2 (2024d)
"""

from __future__ import annotations

import re

from dicomweb.dicomjson import dictionary
from dicomweb.dicomjson.reading import DataSet
from dicomweb.workitem.announce import announce, subscribers, tell
from dicomweb.workitem.attributes import MODIFIED
from dicomweb.workitem.content import text
from dicomweb.workitem.reports import CANCELLATION, cancel_requested, state_report
from dicomweb.workitem.requirements import canceled, require_final, without_command
from dicomweb.workitem.rows import audited, find, stamped, write
from dicomweb.workitem.states import State
from dicomweb.workitem.status import Failure, RefusedError, Success
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

COMPLETED = "The UPS is already COMPLETED."
AWAY = "The performer cannot be contacted."
NO_TITLE = re.compile(r"[^ -\[\]-~]")
LONGEST_TITLE = 16


def request_cancellation(access: AccessContext, uid: str, given: DataSet) -> Work[Success]:
    """Ask for an item to be canceled; `given` may tell why and whom to talk to.

    Raises RefusedError, Invalid, NotFound.
    """
    item = yield from find(access, Permission.UPDATE, uid, lock=True)
    asked = _asked(given)
    if item.state is State.COMPLETED:
        raise RefusedError(Failure.ALREADY_COMPLETED, "the workitem is completed already", COMPLETED)
    if item.state is State.IN_PROGRESS:
        receivers = yield from subscribers(item.pk)
        if not receivers:
            raise RefusedError(Failure.PERFORMER_AWAY, "nobody who performs the workitem can hear of the request", AWAY)
        yield from announce(receivers, [(item.pk, cancel_requested(item.uid, _requester(access), asked))])
    if item.state is State.SCHEDULED:
        claimed = stamped(item.dataset, State.IN_PROGRESS)
        dataset = stamped(item.dataset, State.CANCELED)
        dataset = canceled(dataset, text(dataset, MODIFIED), asked)
        require_final(dataset, State.CANCELED)
        yield from write(access, item, State.CANCELED, None, dataset)
        yield from tell(item.pk, [state_report(item.uid, claimed), state_report(item.uid, dataset)])
    yield audited(access, "U", "workitem-cancel", item)
    return Success.ALREADY_CANCELED if item.state is State.CANCELED else Success.DONE


def _asked(given: DataSet) -> DataSet:
    asked = without_command(given)
    for tag in asked:
        if tag not in CANCELLATION and tag != "00080005":
            name = dictionary.keyword(int(tag, 16)) or tag
            raise invalid(f"{name} has no place in a request for cancellation", code="not-supported")
    return asked


def _requester(access: AccessContext) -> str:
    """Requesting AE: HTTP callers have no title, so what of the app's id can stand in one."""
    return NO_TITLE.sub("", access.origin.client or "")[:LONGEST_TITLE].strip() or "UNKNOWN"
