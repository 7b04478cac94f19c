"""The errand that brings an upstream what it is to have: some seconds' worth at a time, resources before images.

It is never given up: a site may be offline for weeks, and what waits is kept. An upstream that takes nothing is called
again when its pause is over, and not before, however much changes meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from psycopg import Connection

from dicomweb.archive.blobs import Archive
from dicomweb.errand.queue import Errand
from dicomweb.errand.work import Done, Performer
from dicomweb.routing import stow
from dicomweb.routing.outgoing import Outgoing
from healix_fhir.care.sync import images, removing, resources, waiting
from healix_fhir.care.sync.credentials import Credentials
from healix_fhir.care.sync.images import Study
from healix_fhir.care.sync.line import AwayError, Line, opened, pause_of
from healix_fhir.care.sync.upstream import Upstream, find
from healix_fhir.kernel.database import Row, one, run
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.log import get_logger

SLICE = 10.0
"""Seconds after which it lets others have a turn."""
log = get_logger("sync")


def syncer(archive: Archive, base: str, own: str, halts: Callable[[], bool]) -> Performer:
    """What serves one upstream. `base` is this server's FHIR base, `own` its name towards DICOMweb servers; once
    `halts` says so nothing more is begun.
    """
    credentials = Credentials()

    def sync(connection: Connection[Row], errand: Errand) -> Done:
        try:
            upstream = run(connection, find(errand.about))
        except HealixError:  # it was removed meanwhile
            return Done()
        seconds, failures = run(connection, waiting.rest_of(upstream.name))
        if seconds:
            return Done(again=seconds)
        until = time.monotonic() + SLICE
        turn = _Turn(connection, upstream, credentials, lambda: time.monotonic() < until and not halts())
        try:
            turn.resources(base)
            turn.images(archive, own)
        except AwayError as error:
            credentials.forget(upstream)
            pause = pause_of(0 if turn.succeeded else failures) if error.pause is None else error.pause
            run(connection, one(waiting.failed(upstream.name, str(error), pause)))
            if turn.succeeded or failures == 0:
                log.warning("an upstream is away", upstream=upstream.name, reason=str(error))
            return Done(again=pause, note=str(error))
        return Done(again=0.0 if turn.left else run(connection, images.wait_of(upstream.name)))

    return sync


class _Turn:
    """One call of an upstream; `left`: there is more to send at once, `succeeded`: it acknowledged something."""

    def __init__(
        self, connection: Connection[Row], upstream: Upstream, credentials: Credentials, goes_on: Callable[[], bool]
    ) -> None:
        self._connection, self._upstream, self._credentials = connection, upstream, credentials
        self._goes_on = goes_on
        self.left = self.succeeded = False

    def resources(self, base: str) -> None:
        """Send versions of resources until none waits. Raises AwayError."""
        upstream = self._upstream
        if upstream.fhir is None or not (several := run(self._connection, waiting.next_of(upstream.name))):
            return
        authorization = self._credentials.authorization(upstream)
        with opened(upstream.fhir, allow_private=upstream.allow_private, authorization=authorization) as line:
            while several:
                settled = resources.send(line, several, base)
                with self._connection.transaction():
                    run(self._connection, waiting.settle(upstream.name, settled))
                self.succeeded = True
                if not self._goes_on():
                    self.left = True
                    return
                several = run(self._connection, waiting.next_of(upstream.name))

    def images(self, archive: Archive, own: str) -> None:
        """Send images until none waits. Raises AwayError."""
        upstream = self._upstream
        if upstream.dicomweb is None:
            return
        self._removals(upstream)
        while not self.left and (study := run(self._connection, images.next_of(upstream.name))) is not None:
            token = self._credentials.token(upstream)
            has = self._has(study, token) if study.unsure else set()
            for group in stow.packets(study.instances):
                self._send(archive, study, group, token, own, has)
                if not self._goes_on():
                    self.left = True
                    return

    def _removals(self, upstream: Upstream) -> None:
        """Delete there what people have deleted here. Raises AwayError."""
        while not self.left and (several := run(self._connection, removing.next_of(upstream.name))):
            with self._opened(upstream, self._credentials.token(upstream)) as line:
                for each in several:
                    kept = removing.remove(line, each)
                    with self._connection.transaction():
                        run(self._connection, removing.settle(upstream.name, each, kept))
                    self.succeeded = True
                    if not self._goes_on():
                        self.left = True
                        return

    def _opened(self, upstream: Upstream, token: str | None) -> AbstractContextManager[Line]:
        """A line to the DICOMweb base."""
        bearer = None if token is None else f"Bearer {token}"
        return opened(upstream.dicomweb or "", allow_private=upstream.allow_private, authorization=bearer)

    def _has(self, study: Study, token: str | None) -> set[str]:
        with self._opened(self._upstream, token) as line:
            return images.held(line, study)

    def _send(
        self, archive: Archive, study: Study, group: list[Outgoing], token: str | None, own: str, has: set[str]
    ) -> None:
        upstream = self._upstream
        may = [each for each in group if stow.may_go(each, stow.authority(upstream.dicomweb or ""))]
        going = [each for each in may if each.instance.instance not in has]
        refused: dict[str, int] = {}
        if going:
            run(self._connection, one(images.begin(upstream.name, study.uid)))
            refused = images.send(archive, upstream, token, going, own)
        sent = [each.instance.instance for each in may if each.instance.instance not in refused]
        with self._connection.transaction():
            run(self._connection, images.settle(upstream.name, study, group, sent, refused))
        self.succeeded = True
