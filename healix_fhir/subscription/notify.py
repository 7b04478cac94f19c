"""The outbox consumer of Subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from healix_fhir.kernel.database import Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.subscription import topics
from healix_fhir.subscription.activate import activate
from healix_fhir.subscription.matching import enqueue


def consumer(bases: tuple[str, ...], *, allow_private: bool) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer of the topic `resource` for a server whose FHIR base URLs are `bases`."""

    def handle(events: Sequence[Event]) -> Work[None]:
        defined = [event for event in events if event.payload["type"] == topics.TYPE]
        if defined:
            yield from topics.keep(defined, bases[0])
        asked = [event for event in events if event.payload["type"] == "Subscription"]
        if asked:
            yield from activate(asked, bases, allow_private=allow_private)
        yield from enqueue(events, bases)

    return handle
