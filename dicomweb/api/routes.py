"""The addresses of DICOMweb.

Spec: PS3.18 Tables 10.3-1, 10.4.1-1 to 10.4.1-5, 10.5.1-1, 10.6.1-1 and 11.3-1, 8.9, 9, 12 and 13 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from dicomweb.api import bulkdata, commitments, non_patient, qido, stow, wado, workitems
from dicomweb.api import workitem_subscriptions as subscriptions
from dicomweb.api.channel import Channel, Channels
from dicomweb.api.delete import delete
from dicomweb.api.edge import Address, Edge, Handler
from dicomweb.api.frames import frames
from dicomweb.non_patient.models import WORDS
from dicomweb.study.query import Level
from smart_auth.access import AccessContext

STUDY = "/dicomweb/studies/{study}"
SERIES = STUDY + "/series/{series}"
WORKITEM = "/dicomweb/workitems/{workitem}"
SUBSCRIBER = "/dicomweb/subscribers/{aetitle}"
INSTANCE = SERIES + "/instances/{instance}"
COMMITMENT = {"GET": commitments.check, "POST": commitments.ask}
COUNTED = (
    ("/dicomweb/studies", Level.STUDY),
    ("/dicomweb/series", Level.SERIES),
    ("/dicomweb/instances", Level.INSTANCE),
    (STUDY + "/series", Level.SERIES),
    (STUDY + "/instances", Level.INSTANCE),
    (SERIES + "/instances", Level.INSTANCE),
)
"""What can be counted; the standard has no such address, and no UID is the word that ends these."""


def routes(edge: Edge) -> list[BaseRoute]:
    """The routes of one web process: the services, their description, and a refusal for every other address."""
    offered = services(edge)
    described = _described(offered)
    name, both = "dicomweb.capabilities", {"GET": described, "OPTIONS": described}
    asked = {"OPTIONS": described}
    return [
        *offered,
        Route("/dicomweb/capabilities", Address(name, edge, both, public=True)),
        Route("/dicomweb", Address(name, edge, asked, public=True), methods=list(asked)),
        Route("/dicomweb/", Address(name, edge, {"GET": _statement, "OPTIONS": described}, public=True)),
        Route("/dicomweb/{rest:path}", Address("dicomweb.unknown", edge, {})),
    ]


def channels(edge: Edge, shared: Channels) -> list[BaseRoute]:
    """The web sockets of one web process; a plain GET of their address is answered by `services`."""
    return [WebSocketRoute(SUBSCRIBER, Channel(edge, shared))]


def _described(offered: Sequence[BaseRoute]) -> Handler:
    """The handler that describes the services at these routes."""

    async def handler(edge: Edge, request: Request, access: AccessContext) -> Response:
        from dicomweb.api.capabilities.answer import answered

        del access
        return answered(request, edge.base, methods(offered))

    return handler


async def _statement(edge: Edge, request: Request, access: AccessContext) -> Response:
    """People are led from the base, as the standard writes it, to the page about the services."""
    del request, access
    return RedirectResponse(edge.base)


def methods(offered: Sequence[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Each method with the address that answers it."""
    for route in offered:
        if isinstance(route, Route) and isinstance(route.app, Address):
            for method in route.app.handlers:
                yield method, route.path_format


def services(edge: Edge) -> list[BaseRoute]:
    """The routes of the services; everything needs a token. Each method has a row in `capabilities/table.py`.

    Those of paths of any length are the last: routes before them are called without being tried one after the other.
    """
    studies, series, found = (qido.search(level) for level in (Level.STUDY, Level.SERIES, Level.INSTANCE))
    frame = Address("wado.frames", edge, {"GET": frames})
    attributes = Address("wado.metadata", edge, {"GET": wado.metadata})
    values = Address("wado.bulkdata", edge, {"GET": bulkdata.every_value})
    pixels = Address("wado.bulkdata", edge, {"GET": bulkdata.pixel_data})
    picture = Address("wado.rendered", edge, {"GET": _rendered})
    small = Address("wado.thumbnail", edge, {"GET": _thumbnail})
    whole = (STUDY, SERIES, INSTANCE, INSTANCE + "/frames/{frames}")
    return [
        Route(INSTANCE + "/frames/{frames}", frame),
        Route(INSTANCE + "/frames/{frames}/pixeldata", frame),
        *(Route(path + "/metadata", attributes) for path in (INSTANCE, SERIES, STUDY)),
        *(Route(path + "/bulkdata", values) for path in (INSTANCE, SERIES, STUDY)),
        *(Route(path + "/pixeldata", pixels) for path in (INSTANCE, SERIES, STUDY)),
        *(Route(f"{path}/count", Address("qido", edge, {"GET": qido.counting(level)})) for path, level in COUNTED),
        Route(INSTANCE, Address("wado.instances", edge, {"GET": wado.instances, "DELETE": delete})),
        *(Route(path + "/rendered", picture) for path in whole),
        *(Route(path + "/thumbnail", small) for path in whole),
        Route(SERIES + "/instances", Address("qido", edge, {"GET": found})),
        Route(SERIES, Address("wado.instances", edge, {"GET": wado.instances, "DELETE": delete})),
        Route(STUDY + "/series", Address("qido", edge, {"GET": series})),
        Route(STUDY + "/instances", Address("qido", edge, {"GET": found})),
        Route(
            STUDY,
            Address("wado.instances", edge, {"GET": wado.instances, "POST": stow.store, "DELETE": delete}),
        ),
        Route("/dicomweb/studies", Address("dicomweb.studies", edge, {"GET": studies, "POST": stow.store})),
        Route("/dicomweb/series", Address("qido", edge, {"GET": series})),
        Route("/dicomweb/instances", Address("qido", edge, {"GET": found})),
        Route("/dicomweb/workitems", Address("ups.workitems", edge, {"GET": workitems.find, "POST": workitems.add})),
        Route(WORKITEM + "/state", Address("ups.state", edge, {"PUT": workitems.state})),
        Route(WORKITEM + "/cancelrequest", Address("ups.cancelrequest", edge, {"POST": workitems.cancel})),
        Route(WORKITEM + "/subscribers/{aetitle}/suspend", Address("ups.suspend", edge, {"POST": subscriptions.stop})),
        Route(WORKITEM + "/subscribers/{aetitle}", Address("ups.subscribers", edge, subscriptions.ITEM)),
        Route(SUBSCRIBER, Address("ups.channel", edge, {"GET": subscriptions.upgrade})),
        Route(WORKITEM, Address("ups.workitem", edge, {"GET": workitems.one, "POST": workitems.change})),
        Route("/dicomweb/commitment-requests/{transaction}", Address("commitment", edge, COMMITMENT)),
        Route("/dicomweb/wado", Address("wado.uri", edge, {"GET": _wado_uri})),
        *(Route(f"/dicomweb{at}", Address(name, edge, by)) for word in WORDS for at, name, by in non_patient.of(word)),
        Route(INSTANCE + "/bulkdata/{path:path}", Address("wado.bulkdata", edge, {"GET": bulkdata.bulk})),
        *(
            Route(
                f"/dicomweb/{word}/{{uid}}/bulkdata/{{path:path}}",
                Address(non_patient.BULKDATA, edge, {"GET": non_patient.values(word)}),
            )
            for word in WORDS
        ),
    ]


# What renders is loaded when it is first asked for: it brings a library that takes a process 100 ms and 20 MB.


async def _rendered(edge: Edge, request: Request, access: AccessContext) -> Response:
    from dicomweb.api import rendered

    return await rendered.rendered(edge, request, access)


async def _thumbnail(edge: Edge, request: Request, access: AccessContext) -> Response:
    from dicomweb.api import rendered

    return await rendered.thumbnail(edge, request, access)


async def _wado_uri(edge: Edge, request: Request, access: AccessContext) -> Response:
    from dicomweb.api import wado_uri

    return await wado_uri.retrieve_one(edge, request, access)
