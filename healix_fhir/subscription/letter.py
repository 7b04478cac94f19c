"""Notifications as mails to the subscriber, with nothing of a patient unless the Subscription asks for it.

Spec: FHIR R4, hl7.org/fhir/R4/subscription.html (the channel email)
"""

from __future__ import annotations

from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.language.catalogue import counted, say
from healix_fhir.kernel.mail.message import Mail
from healix_fhir.subscription.claim import Delivery
from healix_fhir.subscription.guide import Content, Kind
from healix_fhir.subscription.notification import Head, notification


def letter(delivery: Delivery, base: str) -> Mail:
    """The mail that tells of the events of a delivery, in the language that is spoken."""
    one, events = delivery.one, delivery.events
    count = counted(
        len(events),
        "There is something new that you have subscribed to ({subscription}).",
        "There are {n} new things that you have subscribed to ({subscription}).",
        subscription=f"Subscription/{one.id}",
    )
    lines = [count]
    if one.content in (Content.NOTICE, Content.EMPTY):
        lines += ["", say("Sign in to look at it: {address}", address=f"{base.removesuffix('/fhir')}/account/")]
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
    lines += ["", say("You get this mail because your account asked for it. To stop it, turn the Subscription off.")]
    return Mail(one.endpoint, say("News from your clinic's records"), "\n".join(lines) + "\n")
