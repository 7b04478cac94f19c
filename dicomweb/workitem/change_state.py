"""Change Workitem State: the one service behind UPS-RS and N-ACTION 1. Who claims an item sets its lock.

Spec: PS3.18 11.7, PS3.4 CC.2.1 (2024d)
"""

from __future__ import annotations

from dicomweb.dicomjson.reading import DataSet
from dicomweb.uid import is_uid
from dicomweb.workitem.announce import tell
from dicomweb.workitem.attributes import MODIFIED, STATE, TRANSACTION_UID
from dicomweb.workitem.content import text
from dicomweb.workitem.reports import state_report
from dicomweb.workitem.requirements import canceled, require_final
from dicomweb.workitem.rows import audited, find, stamped, write
from dicomweb.workitem.states import FINAL, State, change, state_of
from dicomweb.workitem.status import Success
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


def change_state(access: AccessContext, uid: str, given: DataSet) -> Work[Success]:
    """Bring an item into the state that `given` names, with the Transaction UID that it has.

    Raises RefusedError, Invalid, NotFound.
    """
    asked, claim = state_of(text(given, STATE)), text(given, TRANSACTION_UID)
    if claim and not is_uid(claim):
        raise invalid("TransactionUID is not a valid UID", code="value")
    item = yield from find(access, Permission.UPDATE, uid, lock=True)
    outcome = change(asked, item.state, claim, item.transaction_uid)
    if isinstance(outcome, State):
        dataset = stamped(item.dataset, outcome)
        if outcome is State.CANCELED:
            dataset = canceled(dataset, text(dataset, MODIFIED))
        if outcome in FINAL:
            require_final(dataset, outcome)
        yield from write(access, item, outcome, claim, dataset)
        yield from tell(item.pk, [state_report(item.uid, dataset)])
    yield audited(access, "U", "workitem-state", item)
    return outcome if isinstance(outcome, Success) else Success.DONE
