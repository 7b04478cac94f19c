"""Whether a version of a resource is an event for a trigger.

Spec: FHIR R5, hl7.org/fhir/R5/subscriptiontopic-definitions.html#SubscriptionTopic.resourceTrigger
"""

from __future__ import annotations

from healix_fhir.model.fhirpath.engine import Environment, expression, root
from healix_fhir.search.holds import holds
from healix_fhir.store.index import IndexRows
from healix_fhir.subscription.criteria import nodes
from healix_fhir.subscription.topic import Trigger
from healix_fhir.subscription.version import Version

STEPS = 20_000
"""The budget of a topic's expression on one version."""


def may_fire(trigger: Trigger, version: Version, base: str) -> bool:
    """What can be told without the version before: the subscriber's filter, and criteria on the version alone."""
    if not _holds(trigger.type, trigger.filter, version.id, version.rows, base):
        return False
    alone = trigger.current and not trigger.previous and not trigger.looked_up
    return not alone or _holds(trigger.type, trigger.current, version.id, version.rows, base)


def fires(trigger: Trigger, version: Version, base: str) -> bool:
    """Whether it is an event, of a version that may fire and whose previous version is known if it is needed.

    Raises HealixError where the topic's expression fails.
    """
    created = version.previous is None
    if trigger.looks_back and ("create" if created else "update") not in trigger.on:
        return False
    if trigger.previous and not _transition(trigger, version, base):
        return False
    return not trigger.fhirpath or _path(trigger.fhirpath, version)


def _transition(trigger: Trigger, version: Version, base: str) -> bool:
    if version.previous_rows is None:
        before = trigger.without_previous
    else:
        before = _holds(trigger.type, trigger.previous, version.id, version.previous_rows, base)
    if not trigger.current:
        return before
    now = _holds(trigger.type, trigger.current, version.id, version.rows, base)
    return (before and now) if trigger.both else (before or now)


def _holds(type_name: str, query: str, id_: str, rows: IndexRows, base: str) -> bool:
    return all(holds(node, rows, id_) for node in nodes(type_name, query, base))


def _path(text: str, version: Version) -> bool:
    current = root(version.resource)
    before = (root(version.previous),) if version.previous is not None else ()
    constants = {"current": (current,), "previous": before}
    return expression(text).holds(current, Environment(constants=constants, steps=STEPS))
