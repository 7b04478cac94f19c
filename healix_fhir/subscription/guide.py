"""The names of the guide "Subscriptions R5 Backport", by which topic-based subscriptions are told of in R4.

Spec: hl7.fhir.uv.subscriptions-backport 1.1.0
"""

from __future__ import annotations

from enum import StrEnum

GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport"
DEFINITIONS = f"{GUIDE}/StructureDefinition"
SERVER = f"{GUIDE}/CapabilityStatement/backport-subscription-server-r4"
SUBSCRIPTION = f"{DEFINITIONS}/backport-subscription"
NOTIFICATION = f"{DEFINITIONS}/backport-subscription-notification-r4"
STATUS = f"{DEFINITIONS}/backport-subscription-status-r4"
TOPICS = f"{DEFINITIONS}/capabilitystatement-subscriptiontopic-canonical"
"""The extension of a CapabilityStatement that names the topics of its server."""

FILTER = f"{DEFINITIONS}/backport-filter-criteria"
CONTENT = f"{DEFINITIONS}/backport-payload-content"
HEARTBEAT = f"{DEFINITIONS}/backport-heartbeat-period"
TIMEOUT = f"{DEFINITIONS}/backport-timeout"
MOST = f"{DEFINITIONS}/backport-max-count"
TOPIC = f"{DEFINITIONS}/backport-topic-canonical"
"""Extensions of a Subscription; the last one where the topic does not stand in its criteria."""


class Kind(StrEnum):
    """What a notification is for."""

    HANDSHAKE = "handshake"
    HEARTBEAT = "heartbeat"
    EVENTS = "event-notification"
    ASKED_STATUS = "query-status"
    ASKED_EVENTS = "query-event"


class Content(StrEnum):
    """What a notification says of a resource: as the guide has it, or as R4 alone does.

    A `notice` says nothing but that there is something; a `resource` is sent as it is.
    """

    EMPTY = "empty"
    ID_ONLY = "id-only"
    FULL = "full-resource"
    NOTICE = "notice"
    RESOURCE = "resource"

    @property
    def is_bundled(self) -> bool:
        """Whether notifications are Bundles of the guide."""
        return self not in (Content.NOTICE, Content.RESOURCE)

    @property
    def shows(self) -> bool:
        """Whether what the resource says goes out."""
        return self in (Content.FULL, Content.RESOURCE)
