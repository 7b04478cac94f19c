"""Telling a peer that instances are here and can be fetched: N-CREATE of an Instance Availability Notification.

The errand of a route with the action `notice`. One notification names the instances of one study; those that come
later have one of their own. Which procedure step they belong to is not told.

Spec: PS3.4 Annex R (2024d), PS3.3 C.4.23 (2024d)
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from itertools import groupby
from threading import Event

from psycopg import Connection

from dicomweb.dicomjson.implicit import sequence, title, uid
from dicomweb.dimse.associate import OUR_TITLE
from dicomweb.dimse.calling import calling, succeeded
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.errand.queue import Errand, Kind
from dicomweb.errand.work import WORDS, Done, Performer
from dicomweb.routing.forward import ACCESS
from dicomweb.routing.outgoing import MOST_NAMED, outgoing
from dicomweb.routing.rules import Action, find
from dicomweb.study.retrieve import Instance
from dicomweb.study.rows import audited
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Row, run

INSTANCE_AVAILABILITY = "1.2.840.10008.5.1.4.33"
AVAILABLE = "ONLINE"


def notifier(stop: Event) -> Performer:
    """What tells one peer of one study."""

    def notify(connection: Connection[Row], errand: Errand) -> Done:
        route = run(connection, find(errand.rule, Action.NOTICE))
        if route is None:
            return Done(errand.after)
        batch = run(connection, outgoing(ACCESS, route.name, errand.about, errand.after, MOST_NAMED))
        if not batch.instances:
            return Done(errand.after)
        if batch.restless:
            return Done(errand.after, again=batch.restless)
        told = [one.instance for one in batch.instances]
        with calling(connection, route.receiver, INSTANCE_AVAILABILITY, stop) as association:
            context = association.needed(INSTANCE_AVAILABILITY)
            response = association.ask(context, command(), [data_set(errand.about, told)])
        succeeded(response, route.receiver)
        said = f"{audited([one.instance for one in told])} by route {route.name}"
        row = AuditRow(ACCESS.origin, "R", WORDS[Kind.NOTICE], 0, batch.patient, errand.about, said)
        is_whole = len(told) < MOST_NAMED
        return Done(batch.instances[-1].pk, [row], None if is_whole else 0.0)

    return notify


def command() -> Command:
    """The command set: a notification under a UID of its own."""
    return {
        Element.CommandField: CommandField.N_CREATE_RQ,
        Element.AffectedSOPClassUID: INSTANCE_AVAILABILITY,
        Element.AffectedSOPInstanceUID: f"2.25.{uuid.uuid4().int}",
    }


def data_set(study: str, instances: Sequence[Instance]) -> bytes:
    """The attributes, in implicit VR little endian; no others are allowed. Spec: PS3.4 Table R.3.2-1 (2024d)"""
    ordered = sorted(instances, key=lambda one: one.series)
    return b"".join(
        [
            sequence(0x00081111, ()),
            sequence(
                0x00081115, (_series(one, list(members)) for one, members in groupby(ordered, lambda x: x.series))
            ),
            uid(0x0020000D, study),
        ]
    )


def _series(series: str, members: Sequence[Instance]) -> bytes:
    return sequence(0x00081199, map(_instance, members)) + uid(0x0020000E, series)


def _instance(one: Instance) -> bytes:
    return b"".join(
        [
            title(0x00080054, OUR_TITLE),
            title(0x00080056, AVAILABLE),
            uid(0x00081150, one.sop_class),
            uid(0x00081155, one.instance),
        ]
    )
