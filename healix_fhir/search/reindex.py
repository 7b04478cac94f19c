"""Writing the search index anew, batch by batch: what the store keeps of a run, and what search knows of resources."""

from __future__ import annotations

import time
from collections.abc import Iterator

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row, Work, transaction
from healix_fhir.model.definitions import TYPE_NAME
from healix_fhir.model.json import decode
from healix_fhir.search.extract import extract
from healix_fhir.store import custom_parameters, reindexing
from healix_fhir.store.reindexing import Run
from healix_fhir.store.settling import settled
from healix_fhir.store.write import keys_of
from smart_auth.patients import patient_keys

VERSION = 5
"""The version of the rows that extraction makes; to be raised, with a migration, when old rows no longer serve."""

BATCH = 500
PAUSE = 0.2
"""Seconds between two looks at whether a run may begin."""


def reindexed(pool: ConnectionPool[Connection[Row]], id_: int, bases: tuple[str, ...]) -> Iterator[Run]:
    """Do what is left of a run, a batch in a transaction each; the run as it stands after each of them."""
    under_way = True
    while under_way:
        run = transaction(pool, lambda: batch(id_, bases))
        if run is not None:
            yield run
            if run.state == reindexing.WAITING:
                time.sleep(PAUSE)
        under_way = run is not None and run.under_way


def batch(id_: int, bases: tuple[str, ...]) -> Work[Run | None]:
    """Index the next resources of a run on a server at `bases`, in the caller's transaction; the run as it then is."""
    here = yield from reindexing.place(id_)
    if here is None or not here.run.under_way:
        return None if here is None else here.run
    if here.run.state == reindexing.WAITING and here.last_pk == 0:
        if not (yield from settled(id_)):
            return here.run
        here = yield from reindexing.set_out(here)
    found, last_pk = yield from reindexing.following(here, BATCH)
    if last_pk is None:
        ended = yield from reindexing.finish(id_)
        yield from custom_parameters.indexed(id_)
        return ended
    indexes = [extract(decode(one.body), TYPE_NAME[one.type], bases) for one in found]
    keys = yield from patient_keys([patient for index in indexes for patient in index.patients])
    if found:
        patients = [keys_of(index.patients, keys) for index in indexes]
        yield from reindexing.rewrite(found, indexes, patients)
    return (yield from reindexing.advance(id_, last_pk, len(found)))
