"""The addresses of open connections that tell of the events of Subscriptions."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route, WebSocketRoute

from healix_fhir.api.live.process import Live
from healix_fhir.api.live.socket import Socket
from healix_fhir.api.live.stream import Stream
from healix_fhir.subscription.declared import SOCKET

EVENTS = "/subscriptions/{id}/events"


def routes(live: Live) -> list[BaseRoute]:
    """The routes of one web process."""
    return [WebSocketRoute(SOCKET, Socket(live)), Route(EVENTS, Stream(live))]
