"""Attributes that were replaced, recorded in the object itself.

Spec: PS3.3 C.12.1 (2024d): Original Attributes Macro; PS3.18 10.5.2 (2024d)
"""

from __future__ import annotations

from datetime import datetime

from dicomweb.dicomjson.model import Member, Members

ORIGINAL, MODIFIED = 0x04000561, 0x04000550
WHEN, SYSTEM, SOURCE, REASON = 0x04000562, 0x04000563, 0x04000564, 0x04000565
HEALIX = "Healix"


def record(members: Members, replaced: Members, now: datetime) -> Member:
    """Add an item with the replaced attributes, as they were, to the Original Attributes Sequence; returns that item in
    a sequence of its own.
    """
    item: Members = {
        MODIFIED: Member("SQ", [replaced]),
        WHEN: Member("DT", [now.strftime("%Y%m%d%H%M%S.%f%z")]),
        SYSTEM: Member("LO", [HEALIX]),
        SOURCE: Member("LO"),
        REASON: Member("CS", ["COERCE"]),
    }
    before = members.get(ORIGINAL)
    members[ORIGINAL] = Member("SQ", [*(before.values if before is not None else ()), item])
    return Member("SQ", [item])
