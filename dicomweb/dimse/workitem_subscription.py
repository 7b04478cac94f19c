"""The action information of Subscribe, Unsubscribe and Suspend Global Subscription, for the use cases behind UPS-RS.

An AE title can be subscribed where this server can tell it anything: it is a known peer that may use the worklist, or
has subscribed before, also over HTTP. Who is not subscribed and unsubscribes is what it wants to be: that is success.

Spec: PS3.4 CC.2.3, Tables CC.2.3-1 to CC.2.3-3 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dicomweb.dicomjson.reading import DataSet
from dicomweb.dimse.workitem_status import NotTakenError, ServiceStatus
from dicomweb.workitem import subscribe as subscribing
from dicomweb.workitem import unsubscribe as unsubscribing
from dicomweb.workitem.content import text, values
from dicomweb.workitem.reports import FILTERED, WORKLIST
from dicomweb.workitem.status import Failure, RefusedError, Success
from dicomweb.workitem.subscribers import can_be_told, title
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError, invalid
from smart_auth.access import AccessContext

RECEIVING_AE, DELETION_LOCK = "00741234", "00741230"
OWN = frozenset({RECEIVING_AE, DELETION_LOCK, "00080005", "00080201"})
"""What of the action information is no matching key."""


def subscribe(access: AccessContext, uid: str, given: DataSet) -> Work[Success]:
    """Let an AE hear of one item, of all, or of those that match keys. Raises RefusedError, Invalid, Forbidden."""
    aet = yield from _receiver(access, given)
    lock = _lock(given)
    keys = _keys({tag: member for tag, member in given.items() if tag not in OWN})
    if uid == FILTERED:
        return (yield from subscribing.subscribe_globally(access, aet, lock=lock, keys=keys))
    if keys:
        raise NotTakenError(ServiceStatus.NO_SUCH_ARGUMENT, f"matching keys belong to a subscription to {FILTERED}")
    if uid == WORKLIST:
        return (yield from subscribing.subscribe_globally(access, aet, lock=lock))
    return (yield from subscribing.subscribe(access, uid, aet, lock=lock))


def unsubscribe(access: AccessContext, uid: str, given: DataSet) -> Work[Success]:
    """Let an AE hear of one item no more, or of none. Raises RefusedError, Invalid, Forbidden."""
    aet = yield from _receiver(access, given)
    if uid in (WORKLIST, FILTERED):
        return (yield from _done(lambda: unsubscribing.unsubscribe_globally(access, aet)))
    return (yield from _done(lambda: unsubscribing.unsubscribe(access, uid, aet)))


def suspend(access: AccessContext, uid: str, given: DataSet) -> Work[Success]:
    """Subscribe an AE to no further new items. Raises RefusedError, Invalid, Forbidden."""
    aet = yield from _receiver(access, given)
    if uid not in (WORKLIST, FILTERED):
        raise RefusedError(Failure.NOT_APPROPRIATE, "subscriptions to the worklist are suspended, not those to an item")
    return (yield from _done(lambda: unsubscribing.suspend(access, aet)))


def _done(work: Callable[[], Work[None]]) -> Work[Success]:
    """Do it; that there is nothing to undo is no failure, that there is no such item is."""
    try:
        yield from work()
    except RefusedError:
        raise
    except HealixError as error:
        if error.category is not Category.NOT_FOUND:
            raise
    return Success.DONE


def _receiver(access: AccessContext, given: DataSet) -> Work[str]:
    """The AE title that is to hear. Raises Invalid, and RefusedError for one that is not known."""
    aet = title(text(given, RECEIVING_AE))
    if not (yield from can_be_told(access, aet)):
        raise RefusedError(Failure.UNKNOWN_RECEIVER, f"{aet} is no known peer that may use the worklist")
    return aet


def _lock(given: DataSet) -> bool:
    lock = text(given, DELETION_LOCK)
    if lock not in ("TRUE", "FALSE"):
        raise invalid("DeletionLock must be TRUE or FALSE", code="value")
    return lock == "TRUE"


def _keys(given: Mapping[str, Any], within: str = "") -> list[tuple[str, str]]:
    """Matching keys as names with a value; those of a sequence are the attributes of its item. Raises Invalid."""
    found: list[tuple[str, str]] = []
    for tag, member in given.items():
        wanted = values(member)
        if member["vr"] == "SQ" and wanted:
            if len(wanted) > 1:
                raise invalid("a sequence of matching keys has one item", code="value")
            found += _keys(wanted[0], f"{within}{tag}.")
        else:
            found.append((f"{within}{tag}", "\\".join(map(_said, wanted))))
    return found


def _said(value: Any) -> str:
    """A value as matching takes it: the groups of a name with `=` between them."""
    if not isinstance(value, dict):
        return str(value)
    return "=".join(value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
