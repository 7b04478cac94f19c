"""Non-patient instances: store, search, retrieve and remove hanging protocols, palettes, templates and protocols.

Spec: PS3.18 12 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from xxhash import xxh3_128_hexdigest

from dicomweb.api.accept import (
    BULK,
    DICOM,
    DICOM_XML,
    JSON_TYPES,
    OCTETS,
    Offer,
    acceptable,
    asked_syntax,
    document_type,
    model_type,
    none_of,
    not_acceptable,
    wanted,
)
from dicomweb.api.coding import document
from dicomweb.api.conditional import KEPT, answer, tag_of
from dicomweb.api.edge import Edge, Handler
from dicomweb.api.intake import Intake
from dicomweb.api.related import PRIVATE, Part, joined, multipart, objects
from dicomweb.api.stored import answered
from dicomweb.api.stow import taken
from dicomweb.api.unsupported import further, ignored, supported
from dicomweb.api.values import value_content
from dicomweb.api.via import via
from dicomweb.api.wado import Written
from dicomweb.archive.aside import aside
from dicomweb.index.naming import is_name
from dicomweb.non_patient import retrieve
from dicomweb.non_patient.models import Model, of_word
from dicomweb.non_patient.opened import require
from dicomweb.non_patient.retrieve import Found
from dicomweb.non_patient.search import COUNTED, STEERING, is_searchable, parse, search
from dicomweb.pixel.syntaxes import can_rewrite, default_syntax
from dicomweb.study.outcome import Outcome
from dicomweb.study.retrieve import absolute
from dicomweb.uid import check_uid
from healix_fhir.kernel.database import aat_once, atransaction
from healix_fhir.kernel.errors import not_found
from healix_fhir.kernel.media_types import MediaType
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

SEARCHED, RETRIEVED, BULKDATA = "non-patient", "wado.non-patient", "wado.non-patient.bulkdata"
SPELLED = tuple(sorted(STEERING))
OFFERS = (*(Offer(name) for name in JSON_TYPES), Offer(DICOM), Offer(DICOM, parts=True), Offer(DICOM_XML, parts=True))
"""In which forms an object is served, the default first. Spec: PS3.18 Table 12.1.3-1 (2024d)"""


def finder(word: str) -> Handler:
    """The handler of a search of what is called `word`."""
    models = of_word(word)

    async def find(edge: Edge, request: Request, access: AccessContext) -> Response:
        """`GET /{word}`."""
        kind = model_type(request)
        params = supported(request, lambda name: name in SPELLED or is_name(name), spelled=SPELLED)
        ignored(request, [name for name, _ in params if not _is_heeded(models, name)])
        asked = parse(models, [(name, value) for name, value in params if _is_heeded(models, name)])
        where = dict.fromkeys(asked.classes, f"{edge.base}/{word}")
        found = await edge.looked_up(lambda: search(access, asked, where))
        told = await objects(request, found.objects, kind, PRIVATE)
        if found.remaining:
            told.headers.append("Warning", further(edge.base, found.remaining, COUNTED))
        return told

    return find


def _is_heeded(models: Sequence[Model], name: str) -> bool:
    return name in SPELLED or is_searchable(models, name)


def keeper(word: str) -> Handler:
    """The handler that stores what is called `word`."""
    classes = _classes(word)

    async def store(edge: Edge, request: Request, access: AccessContext) -> Response:
        """`POST /{word}` and `POST /{word}/{uid}`."""
        require(access, Permission.CREATE)
        form = document_type(request)
        uid = request.path_params.get("uid")
        if uid is not None:
            check_uid(uid, "the UID of the object")
        above = f"{edge.base}/{word}"
        receiver = edge.receiver.of_no_patient(classes, uid)
        intake = Intake(receiver, None, via(request.headers.getlist("via")), edge.deposits.of_no_patient)
        await taken(edge, request, access, intake, f"{above}/{uid or ''}")
        return answered(intake, form, f"{above}/{uid}" if uid else "", above, partial(_address, above))

    return store


def _address(above: str, outcome: Outcome) -> str:
    return f"{above}/{outcome.sop_instance}"


def reader(word: str) -> Handler:
    """The handler that retrieves what is called `word`."""
    classes = _classes(word)

    async def read(edge: Edge, request: Request, access: AccessContext) -> Response:
        """`GET /{word}/{uid}`."""
        uid = request.path_params["uid"]
        taking: dict[Offer, list[MediaType]] = {}
        for offer, media in acceptable(wanted(request), OFFERS):
            taking.setdefault(offer, []).append(media)
        if not taking:
            raise none_of(OFFERS)
        found = await aat_once(edge.pool, retrieve.find(access, classes, uid))
        address = f"{edge.base}/{word}/{uid}"
        for offer, ranges in taking.items():
            if offer.name != DICOM:
                return await _described(request, found, offer.name, address)
            if (written := _written(found, ranges)) is not None:
                return await _file(edge, request, written, offer, address)
        raise not_acceptable("this object cannot be served in that transfer syntax")

    return read


async def _described(request: Request, found: Found, kind: str, address: str) -> Response:
    """The attributes, with the addresses of bulk data."""
    shown = absolute(found.metadata, f"{address}/")
    digest = xxh3_128_hexdigest(kind.encode() + shown)
    body, content_type = await joined([shown], kind, digest, [address] if kind == DICOM_XML else ())
    return await document(request, body, content_type, KEPT, f'"{digest}"')


def _written(found: Found, ranges: Sequence[MediaType]) -> Written | None:
    """The file in a transfer syntax that one of the ranges takes, among equals as it is stored."""
    stored, size = found.instance.transfer_syntax, found.instance.size
    for media in ranges:
        asked = asked_syntax(media)
        syntax = asked or default_syntax(stored)
        if syntax in ("*", stored):
            return Written(found.instance, stored)
        if can_rewrite(stored, syntax, None, size):
            return Written(found.instance, syntax)
        if asked is None:  # what is too large to be written anew is all that there is
            return Written(found.instance, stored)
    return None


async def _file(edge: Edge, request: Request, written: Written, offer: Offer, address: str) -> Response:
    """The DICOM file, by itself or as the one part of a multipart."""
    content, kind = written.content(edge.archive), written.content_type
    tag = tag_of(str(offer), written.instance.key, written.syntax)
    if offer.parts:
        content, kind = multipart(DICOM, [Part(kind, content, address)], tag)
    return await answer(edge.archive, request, content, kind, tag)


def values(word: str) -> Handler:
    """The handler of the bulk data that the metadata of what is called `word` name."""
    classes = _classes(word)

    async def value(edge: Edge, request: Request, access: AccessContext) -> Response:
        """`GET /{word}/{uid}/bulkdata/{path}`."""
        uid, path = request.path_params["uid"], request.path_params["path"]
        found = await aat_once(edge.pool, retrieve.find(access, classes, uid, "retrieve-bulkdata"))
        if path not in found.layout.bulk:
            raise not_found("there is no such bulk data")
        content = value_content(edge.archive, found.instance, found.layout, path)
        for offer, _ in acceptable(wanted(request), BULK):
            tag = tag_of(found.instance.key, path, str(offer))
            if not offer.parts:
                return await answer(edge.archive, request, content, OCTETS, tag)
            pieces, kind = multipart(OCTETS, [Part(OCTETS, content, f"{edge.base}/{word}/{uid}/bulkdata/{path}")], tag)
            return await answer(edge.archive, request, pieces, kind, tag)
        raise none_of(BULK)

    return value


def remover(word: str) -> Handler:
    """The handler that removes what is called `word`."""
    classes = _classes(word)

    async def remove(edge: Edge, request: Request, access: AccessContext) -> Response:
        """`DELETE /{word}/{uid}`."""
        uid = request.path_params["uid"]
        unused = await atransaction(edge.pool, lambda: retrieve.delete(access, classes, uid))
        if unused:
            await aside(edge.archive.remove, unused)
        return Response(None, 204, PRIVATE)

    return remove


def _classes(word: str) -> frozenset[str]:
    return frozenset(uid for model in of_word(word) for uid in model.classes)


def of(word: str) -> Iterator[tuple[str, str, Mapping[str, Handler]]]:
    """The addresses below the base, their names and their handlers by method, but for those of bulk data."""
    store = keeper(word)
    yield f"/{word}", SEARCHED, {"GET": finder(word), "POST": store}
    yield f"/{word}/{{uid}}", RETRIEVED, {"GET": reader(word), "POST": store, "DELETE": remover(word)}
