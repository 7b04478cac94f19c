"""The interactions over one asynchronous pool: what the HTTP edge calls, one instance for each web process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.interaction.result import Page, Stored, Written
from healix_fhir.kernel.database import Row
from smart_auth.access import AccessContext


class Interactions:
    """Every verb of the FHIR API. `bases` are this server's FHIR base URLs, the one it names in answers first."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Row]], bases: tuple[str, ...]) -> None:
        self.pool = pool
        self.bases = bases

    async def read(self, access: AccessContext, type_name: str, id_: str) -> Stored:
        """The current version. NotFound when there is none that the caller may see, Gone when it is deleted."""
        raise NotImplementedError

    async def vread(self, access: AccessContext, type_name: str, id_: str, version: str) -> Stored:
        """One version by number; answers like `read`."""
        raise NotImplementedError

    async def create(self, access: AccessContext, type_name: str, body: bytes) -> Written:
        """Store a new resource under an id that the server makes."""
        raise NotImplementedError

    async def update(
        self, access: AccessContext, type_name: str, id_: str, body: bytes, if_match: int | None = None
    ) -> Written:
        """Store a new version, or a new resource under the caller's id. PreconditionFailed against `if_match`."""
        raise NotImplementedError

    async def delete(
        self, access: AccessContext, type_name: str, id_: str, if_match: int | None = None
    ) -> Stored | None:
        """Delete; the deletion's version, or None when there was nothing to delete that the caller may see."""
        raise NotImplementedError

    async def history(self, access: AccessContext, type_name: str, id_: str, params: Sequence[tuple[str, str]]) -> Page:
        """The versions of one resource, newest first."""
        raise NotImplementedError

    async def search(
        self, access: AccessContext, type_name: str, params: Sequence[tuple[str, str]], *, strict: bool = False
    ) -> Page:
        """Search one type."""
        raise NotImplementedError

    async def bundle(self, access: AccessContext, body: bytes, *, representation: bool = True) -> Page:
        """Run a batch or transaction; with `representation` the entries of its answer carry the resources."""
        raise NotImplementedError

    def capabilities(self, root: str) -> dict[str, Any]:
        """The CapabilityStatement for a server at `root` (without `/fhir`)."""
        raise NotImplementedError
