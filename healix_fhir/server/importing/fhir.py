"""Imports FHIR: bundles as transactions, other resources in groups under their own ids."""

from __future__ import annotations

import msgspec

from healix_fhir.server.importing.bundles import BundleImport
from healix_fhir.server.importing.lanes import Lanes
from healix_fhir.server.importing.report import Place


class _Head(msgspec.Struct):
    """What decides where a resource goes."""

    resourceType: str = ""  # noqa: N815 - the element's name
    id: str = ""


_head = msgspec.json.Decoder(_Head)


class FhirImport:
    """Takes resources as bytes; `close` writes what is left."""

    def __init__(self, bundles: BundleImport, lanes: Lanes) -> None:
        self._bundles = bundles
        self._lanes = lanes

    def take(self, place: Place, body: bytes) -> None:
        """Import one resource; `place` names it in the report (file and line).

        A bundle may refer to everything before it, so all of that is written first.
        """
        head = read_head(body)
        if head.resourceType == "Bundle":
            self._lanes.drain()
            self._bundles.take(place, body)
        else:
            self._lanes.take(f"{head.resourceType}/{head.id}", place, body)

    def close(self) -> None:
        """Write what is left."""
        self._lanes.drain()


def read_head(body: bytes) -> _Head:
    """Type and id of a resource; empty where it cannot be read, which the writer of the line then says."""
    try:
        return _head.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Head()
