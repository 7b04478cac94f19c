"""The web application: every room's routes under one router, what they share opened and closed with the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from functools import partial

from starlette.routing import Router
from starlette.types import ASGIApp

from dicomweb.api import channel
from dicomweb.api import routes as dicomweb_api
from dicomweb.api.edge import Edge as ImagingEdge
from dicomweb.api.stow import SERVICE
from dicomweb.archive.blobs import Archive
from dicomweb.archive.opening import open_archive
from dicomweb.index.further import read
from dicomweb.study.deposits import Deposits
from dicomweb.study.outcome import Duplicates
from dicomweb.study.reader import Reader
from dicomweb.study.receive import Receiver
from healix_fhir.api import brands, cds
from healix_fhir.api import bulk as bulk_api
from healix_fhir.api import routes as fhir_api
from healix_fhir.api.address import Edge
from healix_fhir.api.bulk import BulkEdge
from healix_fhir.api.cds import CdsEdge
from healix_fhir.api.live import process as live_process
from healix_fhir.api.live import routes as live_api
from healix_fhir.bulk.links import KEY, Links
from healix_fhir.bulk.store import open_store
from healix_fhir.imaging.workitems import find_patient
from healix_fhir.interaction.review import demands
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import atransaction, open_async_pool
from healix_fhir.kernel.settings import Settings
from healix_fhir.kernel.slow import watch as slow
from healix_fhir.kernel.standby import Standby, open_standby
from healix_fhir.kernel.tracing import exporting
from healix_fhir.operation.prescription.services import CdsServices
from healix_fhir.pages import routes as pages
from healix_fhir.pages.site import Site
from healix_fhir.search.granular import ScopeQueries
from healix_fhir.server import health, telemetry
from healix_fhir.server.admission import Admission
from healix_fhir.server.gauges import gauges
from healix_fhir.server.health import Pool
from healix_fhir.server.middleware import Outermost
from healix_fhir.server.origins import Origins
from healix_fhir.server.parameter_watch import ParameterWatch
from healix_fhir.server.rooms import Rooms
from healix_fhir.server.telemetry import Telemetry
from healix_fhir.server.tracing import Traced
from healix_fhir.server.viewer import files
from healix_fhir.store.keys import server_key
from smart_auth.api import routes as oauth_api
from smart_auth.api import well_known
from smart_auth.api.bearer import TokenGate
from smart_auth.api.edge import Provider
from smart_auth.break_glass import Terms
from smart_auth.discovery import JWKS, oauth_uris
from smart_auth.oauth.factors.held import REQUIRED_OF
from smart_auth.oauth.identity import Identity
from smart_auth.oauth.limits import changed_rules
from smart_auth.oauth.remote_keys import RemoteKeys
from smart_auth.oauth.seal import Seal, seal_of
from smart_auth.oauth.signing import SigningKeys
from smart_auth.oauth.throttle import Throttle

POOL = 8
"""Database connections of one web process: enough to keep two processors busy, few enough for many nodes."""


def create_app(settings: Settings) -> ASGIApp:
    """The application of one web process; `settings.database_url` names a database that runs and is migrated."""
    counters = Telemetry()
    secure = settings.root.startswith("https:")
    origins = Origins(settings.cors_origins)
    viewer = settings.data_dir / "viewer"
    wanted = demands(settings.validate_profiles)
    seal = seal_of(settings.data_dir)

    @asynccontextmanager
    async def lifespan(_: Router) -> AsyncIterator[None]:
        slow.told = counters.slow
        pool = await open_async_pool(settings.database_url, size=POOL, seconds=settings.statement_seconds)
        standby = await _standby(settings, pool, counters)
        throttle = Throttle(pool, changed_rules(settings.rate_limits))
        gate = TokenGate(pool, settings.database_url, throttle, ScopeQueries((settings.fhir_base,)))
        admission.use(gate.recognise)
        endpoints: dict[str, str] = {}
        several = settings.conditional_delete == "multiple"
        interactions = Interactions(
            pool,
            (settings.fhir_base,),
            delete_several=several,
            wanted=wanted,
            search_seconds=settings.search_seconds,
            oauth_uris=endpoints,
            fetches_private=settings.bulk_allow_private,
            zone=settings.zone or UTC,
            glass=Terms(settings.break_glass_hours, settings.break_glass_lifts),
            adviser=_adviser(settings, pool, seal),
            standby=standby,
        )
        archive = open_archive(settings)
        site = Site(
            pool,
            interactions,
            gate.denials,
            throttle,
            settings.root,
            (viewer / "index.html").is_file,
            seal,
            REQUIRED_OF[settings.require_second_factor],
            settings.password_length,
            settings.tenant,
            zone=settings.clock,
            language=settings.language,
            settings=settings,
            archive=archive,
        )
        watch = ParameterWatch(settings.database_url)
        events, reports = live_process.waking(settings.database_url), channel.waking(settings.database_url)
        await asyncio.to_thread(watch.start)
        await gate.start()
        try:
            provider = _provider(settings, pool, gate, seal)
            authorization = [*oauth_api.routes(provider), *pages.routes(site)]
            endpoints.update(oauth_uris(settings.root, well_known.paths(authorization)))
            origins.use(pool)
            branding = brands.routes(interactions, settings.root, settings.brand)
            imaging = _imaging(settings, pool, gate, archive, standby)
            live = live_process.Live(pool, gate, events, settings.fhir_base, origins.allows, site.session_cookie)
            images = dicomweb_api.routes(imaging)
            sockets = dicomweb_api.channels(
                imaging, channel.Channels(reports, gate.watch, origins.allows, settings.root)
            )
            router.use(
                [
                    *fhir_api.routes(Edge(interactions, gate, settings.max_body_mb << 20)),
                    *bulk_api.routes(await _bulk(settings, pool, gate)),
                    *live_api.routes(live),
                    *cds.routes(CdsEdge(pool, gate, provider.remote, settings.trusted_cds_clients, settings.root)),
                    *images,
                    *sockets,
                    *well_known.routes(provider, [*authorization, *images, *branding], settings.brand),
                    *branding,
                    *authorization,
                    *health.routes(pool),
                    *telemetry.routes(counters, gate, partial(gauges, pool)),
                    *files.routes(viewer, pool, settings.root),
                ]
            )
            yield
        finally:
            await reports.stop()
            await events.stop()
            await gate.stop()
            await asyncio.to_thread(watch.stop)
            site.verifier.close()
            if standby is not None:
                await standby.close()
            await pool.close()

    router = Rooms(lifespan=lifespan)
    admission = Admission(router, counters)
    spans = exporting(settings)
    return Outermost(Traced(admission, spans) if spans else admission, counters, secure=secure, origins=origins)


async def _bulk(settings: Settings, pool: Pool, gate: TokenGate) -> BulkEdge:
    key = await atransaction(pool, lambda: server_key(KEY)) if settings.bulk_links == "signed" else None
    links = Links(settings.root, key)
    return BulkEdge(pool, gate, open_store(settings), links, settings.max_store_gb << 30, settings.bulk_hours)


def _adviser(settings: Settings, pool: Pool, seal: Seal) -> CdsServices | None:
    """What asks the decision support services of others; None where none are set up."""
    if not settings.cds_url:
        return None
    jwks = f"{settings.root}{JWKS}"
    private, seconds = settings.cds_allow_private, settings.cds_seconds
    return CdsServices(settings.cds_url, pool, SigningKeys(seal), settings.root, jwks, private, seconds)


def _provider(settings: Settings, pool: Pool, gate: TokenGate, seal: Seal) -> Provider:
    identity = Identity(settings.root, settings.fhir_base, SigningKeys(seal))
    remote = RemoteKeys(allow_private=settings.client_keys_allow_private)
    return Provider(pool, gate, identity, remote, open_registration=settings.open_registration)


async def _standby(settings: Settings, pool: Pool, counters: Telemetry) -> Standby | None:
    url, seconds = settings.database_replica_url, settings.statement_seconds
    return await open_standby(url, pool, size=POOL, seconds=seconds, told=counters.on_standby) if url else None


def _imaging(settings: Settings, pool: Pool, gate: TokenGate, archive: Archive, standby: Standby | None) -> ImagingEdge:
    largest = settings.max_store_gb << 30
    compares = settings.compare_sop_classes
    receiver = Receiver(archive, max_object=largest, catalogue=read(settings.dicom_attributes), compares=compares)
    base = f"{settings.root}/dicomweb"
    deposits = Deposits(pool, archive, SERVICE, Duplicates(settings.duplicates))
    reader = Reader(pool)
    return ImagingEdge(pool, archive, receiver, gate, base, largest, find_patient, reader, deposits, standby=standby)
