"""The errand of a route that sends: what of a study it has not sent yet, some seconds' worth at a time.

What the receiver refuses for good is named and passed over, so that one bad object holds up no other; what it may take
later, and a receiver that is away, lets the errand wait from where it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from psycopg import Connection

from dicomweb.archive.blobs import Archive
from dicomweb.errand.queue import Errand, Kind
from dicomweb.errand.work import SENDER, WORDS, AwayError, Done, Performer, RefusedError
from dicomweb.routing import stow
from dicomweb.routing.outgoing import BATCH, Batch, Outgoing, outgoing
from dicomweb.routing.rules import Action, Route, find
from dicomweb.study.rows import audited
from healix_fhir.kernel.audit import AuditRow, Origin
from healix_fhir.kernel.database import Row, run
from smart_auth.access import AccessContext
from smart_auth.scope import parse

SLICE = 15.0
"""Seconds after which an errand lets others have a turn."""
ACCESS = AccessContext(parse("system/ImagingStudy.r"), Origin(client=SENDER))

Settled: TypeAlias = tuple[Outgoing, int | None]
"""An instance, and why it was refused for good: a code, None when it was taken, `STAYS` when it was not sent."""
STAYS = -1
"""Of an instance that goes nowhere, as it came from there."""
Sender: TypeAlias = Callable[[Connection[Row], Route, Sequence[Outgoing], Callable[[], bool]], Iterator[Settled]]
"""Sends instances in turn as long as the last argument says so; yields each that is settled. Raises as performers."""


def forwarder(to_peer: Sender, to_url: Sender) -> Performer:
    """What sends one study by one route."""

    def forward(connection: Connection[Row], errand: Errand) -> Done:
        route = run(connection, find(errand.rule, Action.SEND))
        if route is None:
            return Done(errand.after)
        batch = run(connection, outgoing(ACCESS, route.name, errand.about, errand.after))
        if not batch.instances:
            return Done(errand.after)
        if batch.restless:
            return Done(errand.after, again=batch.restless)
        until = time.monotonic() + SLICE
        sender = to_url if route.peer is None else to_peer
        settled: list[Settled] = []
        try:
            for one in sender(connection, route, batch.instances, lambda: not settled or time.monotonic() < until):
                settled.append(one)  # noqa: PERF402 - what the sender asks has to see it
        except (AwayError, RefusedError):
            if not settled:  # what was settled before is kept, and the rest tried at once: then this is told
                raise
        return _done(errand, route, batch, settled)

    return forward


def _done(errand: Errand, route: Route, batch: Batch, settled: Sequence[Settled]) -> Done:
    after = settled[-1][0].pk if settled else errand.after
    is_whole = len(settled) == len(batch.instances) < BATCH
    taken = [one.instance.instance for one, reason in settled if reason is None]
    refused = {one.instance.instance: reason for one, reason in settled if reason is not None and reason != STAYS}
    rows = [_audit(errand, route, batch.patient, uids, failed) for uids, failed in ((taken, 0), (list(refused), 4))]
    return Done(
        after,
        [row for row, uids in zip(rows, (taken, refused), strict=True) if uids],
        None if is_whole else 0.0,
        _note(refused),
    )


def _audit(errand: Errand, route: Route, patient: str | None, uids: Sequence[str], outcome: int) -> AuditRow:
    said = f"{audited(uids)} to {route.receiver} by route {route.name}"
    return AuditRow(ACCESS.origin, "R", WORDS[Kind.SEND], outcome, patient, errand.about, said)


def _note(refused: Mapping[str, int]) -> str | None:
    if not refused:
        return None
    uid, reason = next(iter(refused.items()))
    return f"{len(refused)} instances were refused, the first with {reason:04X}H: {uid}"


def to_url(archive: Archive, own: str) -> Sender:
    """What sends to a DICOMweb server; `own` is this server's name."""

    def send(
        _: Connection[Row], route: Route, instances: Sequence[Outgoing], goes_on: Callable[[], bool]
    ) -> Iterator[Settled]:
        receiver = stow.authority(route.url or "")
        for group in stow.packets(instances):
            if not goes_on():
                return
            if not stow.may_go(group[0], receiver):  # all of a group came the same way
                yield from ((one, STAYS) for one in group)
                continue
            refused = stow.store(archive, route, group, own)
            yield from ((one, refused.get(one.instance.instance)) for one in group)

    return send
