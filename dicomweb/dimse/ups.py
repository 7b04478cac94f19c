"""The SOP classes of Unified Procedure Steps, and what each of them offers.

Every workitem is an instance of the Push class, whichever class the presentation context has: N-services name that
class, C-FIND the one of its context.

Spec: PS3.4 CC.2, Tables CC.2-1 to CC.2-5, and CC.3.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from dicomweb.dimse.command import CommandField
from dicomweb.workitem.attributes import PUSH

_ROOT = PUSH.rpartition(".")[0]
WATCH, PULL, EVENT, QUERY = (f"{_ROOT}.{number}" for number in (2, 3, 4, 5))


class Action(IntEnum):
    """Action Type IDs. Spec: PS3.4 Tables CC.2.1-1, CC.2.2-1 and CC.2.3-1 (2024d)"""

    CHANGE_STATE = 1
    REQUEST_CANCEL = 2
    SUBSCRIBE = 3
    UNSUBSCRIBE = 4
    SUSPEND = 5


OPERATIONS: Mapping[str, frozenset[CommandField]] = {
    PUSH: frozenset({CommandField.N_CREATE_RQ, CommandField.N_ACTION_RQ, CommandField.N_GET_RQ}),
    WATCH: frozenset({CommandField.N_ACTION_RQ, CommandField.N_GET_RQ, CommandField.C_FIND_RQ}),
    PULL: frozenset({CommandField.C_FIND_RQ, CommandField.N_GET_RQ, CommandField.N_SET_RQ, CommandField.N_ACTION_RQ}),
    QUERY: frozenset({CommandField.C_FIND_RQ}),
}
"""What is answered in the contexts of each class. In those of the Event class this server is the one that speaks, on
associations of its own (workitem_report.py)."""

ACTIONS: Mapping[str, frozenset[Action]] = {
    PUSH: frozenset({Action.REQUEST_CANCEL}),
    WATCH: frozenset({Action.REQUEST_CANCEL, Action.SUBSCRIBE, Action.UNSUBSCRIBE, Action.SUSPEND}),
    PULL: frozenset({Action.CHANGE_STATE}),
}
SEARCHED = frozenset(uid for uid, offered in OPERATIONS.items() if CommandField.C_FIND_RQ in offered)
