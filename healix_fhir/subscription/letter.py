"""Notifications as mails to the subscriber, with nothing of a patient unless the Subscription asks for it.

Spec: FHIR R4, hl7.org/fhir/R4/subscription.html (the channel email)
"""

from __future__ import annotations

from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.mail.message import Mail
from healix_fhir.subscription.claim import Delivery
from healix_fhir.subscription.guide import Content, Kind
from healix_fhir.subscription.notification import Head, notification

SUBJECT = "News from your clinic's records"


def letter(delivery: Delivery, base: str) -> Mail:
    """The mail that tells of the events of a delivery."""
    one, events = delivery.one, delivery.events
    count = "There is something new" if len(events) == 1 else f"There are {len(events)} new things"
    lines = [f"{count} that you have subscribed to (Subscription/{one.id})."]
    if one.content in (Content.NOTICE, Content.EMPTY):
        lines += ["", f"Sign in to look at it: {base.removesuffix('/fhir')}/account/"]
    elif one.content is Content.ID_ONLY:
        lines += [
            "",
            *(f"{instant(event.at)}  {base}/{event.type}/{event.id}" for event in events if event.shown is not None),
        ]
    elif one.content is Content.RESOURCE:
        lines += [text for event in events if event.shown for text in ("", event.shown.body.decode())]
    else:
        head = Head(base, one.id, one.topic, "active", delivery.upto)
        lines += ["", notification(head, Kind.EVENTS, one.content, events).decode()]
    lines += ["", "You get this mail because your account asked for it. To stop it, turn the Subscription off."]
    return Mail(one.endpoint, SUBJECT, "\n".join(lines) + "\n")
