"""Update Workitem: the one service behind UPS-RS and N-SET.

Spec: PS3.18 11.6, PS3.4 CC.2.6 (2024d)
"""

from __future__ import annotations

from dicomweb.dicomjson.reading import DataSet
from dicomweb.workitem.announce import tell
from dicomweb.workitem.attributes import TRANSACTION_UID
from dicomweb.workitem.content import values
from dicomweb.workitem.reports import of_change
from dicomweb.workitem.requirements import changed
from dicomweb.workitem.rows import Workitem, audited, find, stamped, write
from dicomweb.workitem.states import FINAL, State
from dicomweb.workitem.status import Failure, RefusedError
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

NOT_CLAIMED = "The target URI did not reference a claimed Workitem."
INCONSISTENT = "The submitted request is inconsistent with the current state of the Workitem."


def update(access: AccessContext, uid: str, transaction_uid: str | None, given: DataSet) -> Work[None]:
    """Change attributes of an item. One that is in progress is changed by who has claimed it, whose Transaction UID
    comes as `transaction_uid` or in the data set. Raises RefusedError, Invalid, NotFound.
    """
    claim = _claim(transaction_uid, given)
    item = yield from find(access, Permission.UPDATE, uid, lock=True)
    _permit(item, claim)
    dataset = changed(item.dataset, given)
    if dataset != item.dataset:
        yield from write(access, item, item.state, item.transaction_uid, stamped(dataset, item.state))
        yield from tell(item.pk, of_change(item.uid, item.dataset, dataset))
    yield audited(access, "U", "workitem-update", item)


def _claim(transaction_uid: str | None, given: DataSet) -> str:
    named = {str(value) for value in values(given.get(TRANSACTION_UID))} | (
        {transaction_uid} if transaction_uid else set()
    )
    if len(named) > 1:
        raise invalid("the address and the data set have different Transaction UIDs", code="value")
    return named.pop() if named else ""


def _permit(item: Workitem, claim: str) -> None:
    """Refuse what the state of the item does not allow."""
    if item.state in FINAL:
        raise RefusedError(
            Failure.NO_LONGER_UPDATED,
            "the workitem is in a final state and can no longer be changed",
            INCONSISTENT,
            category=Category.INVALID,
        )
    if item.state is State.SCHEDULED and claim:
        raise RefusedError(Failure.NOT_IN_PROGRESS, "the workitem is claimed by nobody", NOT_CLAIMED)
    if item.state is State.IN_PROGRESS and claim != item.transaction_uid:
        message = "TransactionUID is not that of the claim" if claim else "the request has no TransactionUID"
        raise RefusedError(Failure.WRONG_TRANSACTION, message, INCONSISTENT)
