"""$events of a Subscription: what it was told, or should have been, once more.

What is seen is what the caller sees now, whoever wrote the Subscription. Events are kept for a time (docs/decisions/
0156-subscriptions.md); those that are kept no more are left out.

Spec: hl7.fhir.uv.subscriptions-backport 1.1.0, OperationDefinition-backport-subscription-events.html
"""

from __future__ import annotations

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store.read import missing
from healix_fhir.subscription.events import Reader, Told, read_events
from healix_fhir.subscription.guide import GUIDE, Content, Kind
from healix_fhir.subscription.known import TYPE, Known, known
from healix_fhir.subscription.notification import notification
from smart_auth.access import AccessContext

MOST = 100
"""Events of one answer; who wants more asks again from the number after the last."""
DIGITS = 18
EVENTS = own(
    "events",
    f"The events of a Subscription once more. An answer holds {MOST} at most.",
    into("eventsSinceNumber", "string", "The number of the first event"),
    into("eventsUntilNumber", "string", "The number of the last event"),
    into("content", "code", "empty, id-only or full-resource; as the Subscription asks for where it is left out"),
    out("return", "Bundle", "A notification"),
    levels=("instance",),
    resource=(TYPE,),
    url=f"{GUIDE}/OperationDefinition/backport-subscription-events",
)


async def events(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The notification. Raises NotFound for a Subscription that the caller does not see, Invalid by name."""
    given = invocation.given
    first, last = _number(given, "eventsSinceNumber"), _number(given, "eventsUntilNumber")
    wanted = given.text("content")
    if wanted is not None and wanted not in (Content.EMPTY, Content.ID_ONLY, Content.FULL):
        raise invalid("content is empty, id-only or full-resource", code="value", expression=("content",))
    asked = Content(wanted) if wanted is not None else None
    one, content, found = await atransaction(
        interactions.pool, lambda: _read(access, str(invocation.id), first, last, asked)
    )
    return notification(one.head(interactions.bases[0]), Kind.ASKED_EVENTS, content, found)


def _read(
    access: AccessContext, id_: str, first: int | None, last: int | None, asked: Content | None
) -> Work[tuple[Known, Content, list[Told]]]:
    seen = yield from known(access, [id_])
    if not seen:
        raise missing(TYPE, id_)
    (one,) = seen
    content = asked or _bundled(one.content)
    after = (first or 1) - 1
    most = MOST if last is None else max(min(MOST, last - after), 0)
    reader = Reader(access, id_, after, most, content is Content.FULL)
    (found,) = yield from read_events([reader])
    found = [event for event in found if last is None or event.number <= last]
    told = [event for event in found if event.shown is not None]
    action = "R" if content is Content.FULL else "E"
    rows = [
        AuditRow(access.origin, action, "$events", patient=event.shown.patient if event.shown else None,
                 entity=f"{event.type}/{event.id}", query=f"{TYPE}/{id_}")
        for event in told
    ]  # fmt: skip
    yield record(rows or [AuditRow(access.origin, "E", "$events", entity=f"{TYPE}/{id_}")])
    return one, content, found


def _bundled(content: Content | None) -> Content:
    """What a Bundle holds where the Subscription asks for R4's notifications."""
    if content is None or content is Content.NOTICE:
        return Content.EMPTY
    return Content.FULL if content is Content.RESOURCE else content


def _number(given: Given, name: str) -> int | None:
    text = given.text(name)
    if text is None:
        return None
    if not text.isdecimal() or not text.isascii() or len(text) > DIGITS:
        raise invalid(f"{name} is the number of an event", code="value", expression=(name,))
    return int(text)
