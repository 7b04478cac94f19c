"""What the conformance statement says of Unified Procedure Steps over DIMSE, from the tables that run.

Spec: PS3.2 N.7.3.2.3, PS3.4 CC.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum

from dicomweb.dimse.command import CommandField
from dicomweb.dimse.ups import ACTIONS, EVENT, OPERATIONS, Action
from dicomweb.dimse.workitem import LONGEST
from dicomweb.dimse.workitem_status import ServiceStatus
from dicomweb.errand.queue import PATIENCE
from dicomweb.workitem.attributes import ATTRIBUTES
from dicomweb.workitem.matching import DEEPEST, MOST_KEYS
from dicomweb.workitem.status import Failure, Success
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.statement.table import lines, name, table

CREATE, SET, GET = "N-CREATE", "N-SET", "N-GET"
STATE, CANCEL = "N-ACTION 1 (state)", "N-ACTION 2 (cancel)"
SUBSCRIBE, UNSUBSCRIBE, SUSPEND = "N-ACTION 3 (subscribe)", "N-ACTION 4 (unsubscribe)", "N-ACTION 5 (suspend)"
SUBSCRIPTIONS = (SUBSCRIBE, UNSUBSCRIBE, SUSPEND)
ACTED = (STATE, CANCEL, *SUBSCRIPTIONS)
EVERY = ("every operation",)

WHEN: Mapping[IntEnum, tuple[Iterable[str], str]] = {
    Success.DONE: (EVERY, "done, and durable; also where a title leaves a subscription that it does not have"),
    Success.OPTIONAL_NOT_SUPPORTED: (
        (GET,),
        "an attribute is neither in the item nor of its IOD, or is the Transaction UID; the others are told",
    ),
    Success.CREATED_WITH_MODIFICATIONS: ((CREATE,), "attributes of type 2 were missing, and were added empty"),
    Success.LOCK_NOT_GRANTED: (
        (SUBSCRIBE,),
        "subscribed without the Deletion Lock: never told to peers, whose locks are granted",
    ),
    Success.ALREADY_CANCELED: ((STATE, CANCEL), "the item is CANCELED already"),
    Success.UPDATED_WITH_MODIFICATIONS: ((SET,), "never: values are kept as they come, or refused"),
    Success.ALREADY_COMPLETED: ((STATE,), "the item is COMPLETED already, and that is asked for"),
    Failure.DUPLICATE: ((CREATE,), "there is an item with this UID, or was one"),
    Failure.MISSING_ATTRIBUTE: ((CREATE, SET), "an attribute of type 1 is missing, or the data set is"),
    Failure.MISSING_VALUE: ((CREATE, SET), "an attribute that needs a value has none, or is to be emptied"),
    Failure.NO_LONGER_UPDATED: ((SET, STATE), "the item is COMPLETED or CANCELED"),
    Failure.WRONG_TRANSACTION: (
        (SET, STATE),
        "the item was claimed under another Transaction UID; none comes with a change of state, or of a claimed item",
    ),
    Failure.ALREADY_IN_PROGRESS: ((STATE,), "IN PROGRESS is asked for, with the right Transaction UID"),
    Failure.SCHEDULED_BY_CREATION: ((STATE,), "SCHEDULED is asked for"),
    Failure.FINAL_STATE_NOT_MET: ((STATE,), "the item lacks what Table CC.2.5-3 asks of the final state, named"),
    Failure.UNKNOWN_INSTANCE: (
        (SET, GET, *ACTED),
        "there is no such item, it was removed after its end, or the caller may not see it",
    ),
    Failure.UNKNOWN_RECEIVER: (
        SUBSCRIPTIONS,
        "Receiving AE is neither a known peer with the right `ups` nor a title that has subscribed before",
    ),
    Failure.NOT_SCHEDULED: ((CREATE,), "Procedure Step State is not SCHEDULED"),
    Failure.NOT_IN_PROGRESS: (
        (SET, STATE),
        "the item is SCHEDULED, and N-SET has a Transaction UID, or a final state is asked for",
    ),
    Failure.ALREADY_COMPLETED: ((CANCEL,), "the item is COMPLETED"),
    Failure.PERFORMER_AWAY: ((CANCEL,), "the item is IN PROGRESS, and nobody is subscribed to it"),
    Failure.NOT_APPROPRIATE: ((SUSPEND,), "the instance is a single item"),
    ServiceStatus.INVALID_ATTRIBUTE_VALUE: (
        (CREATE, SET),
        "a value that is not allowed, an attribute that cannot be changed: the comment names it",
    ),
    ServiceStatus.PROCESSING_FAILURE: (EVERY, "an error of this server"),
    ServiceStatus.NO_SUCH_ARGUMENT: (
        (CANCEL, SUBSCRIBE),
        "an attribute has no place there, such as matching keys without a filtered global subscription",
    ),
    ServiceStatus.INVALID_ARGUMENT_VALUE: (
        ACTED,
        "no action information, no such state, no AE title, no TRUE or FALSE, a filter without a key",
    ),
    ServiceStatus.INVALID_SOP_INSTANCE: (EVERY, "the SOP Instance UID is no valid UID"),
    ServiceStatus.NO_SUCH_SOP_CLASS: (EVERY, "the command names another class than UPS Push"),
    ServiceStatus.NO_SUCH_ACTION: (ACTED, "the class of the presentation context does not have the action"),
    ServiceStatus.NOT_AUTHORIZED: (EVERY, "the caller's access does not open it"),
    ServiceStatus.UNRECOGNIZED_OPERATION: (EVERY, "the class of the presentation context does not have the operation"),
    ServiceStatus.MISTYPED_ARGUMENT: ((GET,), "a data set follows"),
    ServiceStatus.RESOURCE_LIMITATION: (EVERY, "the data set is too large, or try again later"),
}
"""Each status: of which operations, and when; a test holds it to be total."""

NOTES: Mapping[Action, str] = {
    Action.CHANGE_STATE: "change state",
    Action.REQUEST_CANCEL: "request cancel",
    Action.SUBSCRIBE: "subscribe",
    Action.UNSUBSCRIBE: "unsubscribe",
    Action.SUSPEND: "suspend global subscription",
}


def services() -> str:
    """The section on workitems."""
    days = Settings().workitem_days
    return lines(
        "#### Unified procedure steps",
        "The worklist is that of UPS-RS: the same items, states, locks, subscriptions and audit trail. In the contexts"
        " of each class it answers:",
        table(("SOP class", "UID", "operations"), ((name(uid), uid, _offered(uid)) for uid in OPERATIONS)),
        "N-services name the Push class, whatever their context. The Transaction UID is never told. A data set has at"
        f" most {LONGEST >> 20} MB; text is kept as Unicode, and told in ISO_IR 192.",
        table(("attribute", "tag", "N-CREATE", "N-SET", "final state"), _attributes()),
        "Types are those of Table CC.2.5-3 (R, P, X, O: required in a final state, COMPLETED, CANCELED, not). Every"
        " other attribute is taken and kept too. The server sets Scheduled Procedure Step Modification DateTime, an"
        " empty Worklist Label, and when an item is canceled the time and, where none is given, the reason 110513. Who"
        f" creates an item is not subscribed by that. Items are removed `HEALIX_WORKITEM_DAYS` ({days}) after their end"
        " unless a subscriber locks them.",
        table(("status", "operations", "when"), _statuses()),
        "C-FIND matches every attribute, private ones of a creator in whatever block, also inside sequences to a depth"
        f" of {DEEPEST}, with at most {MOST_KEYS} keys that have a value: as Table CC.2.5-3 and PS3.4 C.2.2.2 say,"
        " fuzzy names where that is agreed on, no adjustment to time zones. An answer has the keys of the request,"
        " SOP Class and Instance UID, in the character set of the request where that can say it."
        " Priorities are not heeded. Statuses are those of other queries.",
        f"Subscribers are told by N-EVENT-REPORT in a context of the {name(EVENT)} ({EVENT}), on an association that"
        " this server opens to the known peer of that AE title, proposing itself as SCP by role selection, in Implicit"
        " VR Little Endian; never on an association of the peer, in which that class is not accepted. They are told"
        " whoever changed the item, over HTTP too, and whichever way the title was subscribed. Events are told in their"
        f" order, those that the peer was away for within {PATIENCE}; a report that it refuses is noted and passed"
        f" over, one that it answers with {ServiceStatus.RESOURCE_LIMITATION:04X}H is told again. `GOING DOWN` is not"
        " reported.",
    )


def _offered(uid: str) -> str:
    fields = [field for field in CommandField if field in OPERATIONS[uid] and field is not CommandField.N_ACTION_RQ]
    actions = [f"N-ACTION {action} ({NOTES[action]})" for action in sorted(ACTIONS.get(uid, ()))]
    return ", ".join([field.name.removesuffix("_RQ").replace("_", "-") for field in fields] + actions)


def _attributes() -> Iterable[tuple[object, ...]]:
    return (
        (row.keyword, f"({row.tag[:4]},{row.tag[4:]})", row.create.value, row.set.value, row.final.value)
        for row in ATTRIBUTES
    )


def _statuses() -> Iterable[tuple[object, ...]]:
    return (
        (f"{status:04X}H", ", ".join(operations), when)
        for status, (operations, when) in sorted(WHEN.items(), key=lambda one: one[0])
    )
