"""Which consumers and steps the job worker runs: the rooms put together for it. Its durable jobs are in tasks.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from threading import Event
from typing import TypeAlias

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.opening import open_archive
from dicomweb.dimse.commitment_report import reporter
from dicomweb.dimse.commitment_request import seeker
from dicomweb.dimse.contexts import storage_classes
from dicomweb.dimse.fetch import fetcher
from dicomweb.dimse.forwarding import to_peer
from dicomweb.dimse.notice import notifier
from dicomweb.dimse.pulling import getter, puller
from dicomweb.dimse.pushing import pusher
from dicomweb.dimse.reception import reception
from dicomweb.dimse.workitem_report import teller
from dicomweb.errand import queue as errand_queue
from dicomweb.errand.queue import Kind
from dicomweb.errand.work import worker
from dicomweb.events import PERFORMED_TOPIC, TOPIC
from dicomweb.routing import priors
from dicomweb.routing.arrived import arrived
from dicomweb.routing.forward import forwarder, to_url
from dicomweb.routing.stow import authority
from healix_fhir.care import break_glass_notice, daily, devices, glance, memberships, relationships
from healix_fhir.care.alerts import due, watch
from healix_fhir.care.alerts.clinic import Clinic
from healix_fhir.care.alerts.hours import quiet
from healix_fhir.care.calendar import filling, marking, waiting
from healix_fhir.care.goals import follow as goals
from healix_fhir.care.persons import find_person
from healix_fhir.care.prescriptions import standing as prescriptions
from healix_fhir.care.reports import link
from healix_fhir.care.sync import following
from healix_fhir.care.sync.errand import syncer
from healix_fhir.care.tongues import tongues
from healix_fhir.imaging import bridge, orders, unmerged, workitems
from healix_fhir.imaging.performing import consumer as performing
from healix_fhir.imaging.reading import consumer as reading
from healix_fhir.imaging.reporting import withdrawing
from healix_fhir.imaging.scheduling import consumer as scheduling
from healix_fhir.kernel.consume import Consumers
from healix_fhir.kernel.database import Row, Work
from healix_fhir.kernel.jobs import enqueue
from healix_fhir.kernel.mail.delivery import mailer
from healix_fhir.kernel.mail.transport import transport_of
from healix_fhir.kernel.settings import Settings
from healix_fhir.operation.merging.undo import TOPIC as MERGE_UNDONE
from healix_fhir.subscription import notify
from healix_fhir.subscription.deliver import deliverer
from smart_auth import break_glass
from smart_auth.account import answered, asked, tickets
from smart_auth.account.home import Home

Step: TypeAlias = Callable[[Connection[Row]], int]
"""Does some of what there is to do, over a connection of its own; how much."""


def consumers(settings: Settings) -> Consumers:
    """The consumers of each outbox topic."""
    bases = (settings.fhir_base,)
    return {
        "resource": (
            relationships.consumer(bases),
            memberships.consumer(bases),
            bridge.patients,
            orders.service_requests,
            workitems.patients,
            scheduling.consumer(bases, settings.zone),
            priors.scheduled,
            performing.patients,
            reading.consumer(bases),
            withdrawing.consumer(bases, settings.language),
            prescriptions.consumer(bases),
            daily.marker(settings.zone),
            devices.consumer(bases),
            goals.consumer(bases, settings.zone),
            glance.consumer(daily.onlooker(settings.zone), goals.onlooker(bases, settings.zone)),
            filling.consumer,
            marking.consumer(bases, lambda: enqueue(waiting.TASK, lock=waiting.TASK)),
            watch.consumer(_clinic(settings)),
            notify.consumer(bases, allow_private=settings.subscription_allow_private),
            following.changed,
        ),
        daily.TOPIC: (daily.consumer(settings.zone, bases),),
        MERGE_UNDONE: (unmerged.consumer,),
        memberships.TOPIC: (relationships.consumer(bases), memberships.consumer(bases)),
        PERFORMED_TOPIC: (performing.consumer(bases, settings.zone),),
        TOPIC: (
            bridge.studies(bases, (settings.data_dir / "viewer" / "index.html").is_file),
            arrived,
            priors.arrived,
            following.arrived,
        ),
        asked.TOPIC: (answered.consumer(home(settings), find_person, unmailed=settings.register_without_mail),),
        break_glass.TOPIC: (break_glass_notice.consumer(settings.privacy_officer, bases, settings.language),),
    }


def home(settings: Settings) -> Home:
    """Where mails about accounts come from."""
    return Home(settings.root, settings.language, tongues)


def alerts(settings: Settings) -> Step:
    """The step that looks at alert rules by the clock, and tells people of alerts when it is time to."""
    return due.watcher(_clinic(settings))


def _clinic(settings: Settings) -> Clinic:
    return Clinic((settings.fhir_base,), settings.zone or UTC, quiet(settings.alert_quiet), settings.language)


def delivery(settings: Settings, stop: Event) -> Step:
    """The step that sends due notifications; `stop` lets it take no more."""
    bases, spoken = (settings.fhir_base,), home(settings).spoken
    return deliverer(bases, spoken, allow_private=settings.subscription_allow_private, halt=stop)


def post(settings: Settings) -> Callable[[Connection[Row]], int]:
    """The step that sends due mails. Raises Invalid for settings that name no way out."""
    return mailer(transport_of(settings), _secrets)


def _secrets(named: Sequence[str]) -> Work[Mapping[str, str]]:
    """The secrets of mails: of links to documents, and of all else that somebody may do by a mail."""
    of_links = [one for one in named if one.startswith(link.PREFIX)]
    others = [one for one in named if not one.startswith(link.PREFIX)]
    found = dict((yield from tickets.renew(others))) if others else {}
    return found | (dict((yield from link.renew(of_links))) if of_links else {})


def errands(settings: Settings, pool: ConnectionPool[Connection[Row]], stop: Event) -> tuple[Step, Step]:
    """The steps that do one errand at another system: those that are short, and the others; `stop` ends their waits."""
    archive = open_archive(settings)
    performers = {
        Kind.EVENT: teller(stop),
        Kind.COMMITMENT: reporter(archive, stop),
        Kind.COMMIT: seeker(pool, stop),
        Kind.NOTICE: notifier(stop),
        Kind.PRIORS: fetcher(stop),
        Kind.PUSH: pusher(archive, pool, stop),
        Kind.PULL: puller(stop),
        Kind.GET: getter(reception(settings, pool), storage_classes(settings.dimse_storage_classes), pool, stop),
        Kind.SEND: forwarder(to_peer(archive, pool, stop), to_url(archive, authority(settings.root))),
        Kind.SYNC: syncer(archive, settings.fhir_base, authority(settings.root), stop.is_set),
    }
    long = performers.keys() - errand_queue.SHORT
    return (
        worker({kind: performers[kind] for kind in errand_queue.SHORT}),
        worker({kind: performers[kind] for kind in long}),
    )
