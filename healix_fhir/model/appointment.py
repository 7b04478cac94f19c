"""The life of an Appointment: which status may follow which, in which it takes its slots, and until when it holds them.

R4 names the states and draws no machine; the one here is this server's rule, whoever writes and however. What was
cancelled or is over stays so: who comes after all gets another Appointment.

| from | to |
|---|---|
| proposed | pending, booked, waitlist, cancelled |
| waitlist | proposed, pending, booked, cancelled |
| pending | proposed, waitlist, booked, arrived, fulfilled, cancelled |
| booked | pending, arrived, checked-in, fulfilled, noshow, cancelled |
| arrived | booked, checked-in, fulfilled, noshow, cancelled |
| checked-in | arrived, fulfilled, noshow, cancelled |
| noshow | arrived, checked-in, fulfilled |

From each of them, and from fulfilled and cancelled, to entered-in-error; from there nowhere.

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html#statuses
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from healix_fhir.kernel.errors import Category, HealixError

Json = Mapping[str, Any]
TYPE = "Appointment"
MISTAKE = "entered-in-error"
TAKING = frozenset({"pending", "booked", "arrived", "checked-in", "fulfilled"})
"""The statuses in which an Appointment takes its slots, and the time of those whose calendars they are of."""
HELD_UNTIL = "urn:healix:appointment:held-until"
"""The extension of a pending Appointment that says when its slots are free again."""
HOLD = timedelta(minutes=10)
"""For which slots are kept free from others, unless the clinic keeps them."""

FOLLOWING: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "proposed": frozenset({"pending", "booked", "waitlist", "cancelled"}),
        "waitlist": frozenset({"proposed", "pending", "booked", "cancelled"}),
        "pending": frozenset({"proposed", "waitlist", "booked", "arrived", "fulfilled", "cancelled"}),
        "booked": frozenset({"pending", "arrived", "checked-in", "fulfilled", "noshow", "cancelled"}),
        "arrived": frozenset({"booked", "checked-in", "fulfilled", "noshow", "cancelled"}),
        "checked-in": frozenset({"arrived", "fulfilled", "noshow", "cancelled"}),
        "noshow": frozenset({"arrived", "checked-in", "fulfilled"}),
        "fulfilled": frozenset(),
        "cancelled": frozenset(),
    }
)


def may_follow(before: str, after: str) -> bool:
    """Whether an Appointment of the status `before` may get the status `after`."""
    if before == after:
        return True
    return before in FOLLOWING and (after == MISTAKE or after in FOLLOWING[before])


def refuse_move(before: Json, after: Json) -> HealixError | None:
    """Why an Appointment may not become another version of itself."""
    old, new = str(before.get("status")), str(after.get("status"))
    if may_follow(old, new):
        return None
    following = ", ".join(sorted(FOLLOWING.get(old, ()))) or "nothing but entered-in-error"
    if old == MISTAKE:
        following = "nothing"
    message = f"an Appointment that is {old} does not become {new}: {following} may follow"
    return HealixError(Category.UNPROCESSABLE, message, expression=("Appointment.status",))


def held_until(appointment: Json) -> datetime | None:
    """When a pending Appointment gives its slots free again; None where it holds them for good."""
    if appointment.get("status") != "pending":
        return None
    for extension in appointment.get("extension", ()):
        if extension.get("url") == HELD_UNTIL and "valueInstant" in extension:
            return moment(extension["valueInstant"])
    return None


def moment(text: str) -> datetime:
    """A valid FHIR instant."""
    return datetime.fromisoformat(text.replace(":60", ":59"))
