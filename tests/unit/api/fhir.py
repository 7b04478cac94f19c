"""The FHIR edge over interactions that only remember what they were asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from starlette.types import ASGIApp

from healix_fhir.api.address import Edge
from healix_fhir.api.routes import routes
from healix_fhir.interaction.result import Entry, Page, Return, Stored, Written
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import not_found
from healix_fhir.search.searched import Searched
from smart_auth.access import AccessContext
from smart_auth.scope import Permission
from tests.support.asgi import FakeGate, router

BASE = "http://healix.test/fhir"
UPDATED = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
JSON = {"Content-Type": "application/fhir+json"}


class FakeInteractions:
    """Holds `Patient/1` in version 3; `error` is raised instead of any answer."""

    def __init__(self) -> None:
        self.bases = (BASE,)
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.created = True
        self.changed = True
        self.body: bytes | None = None

    def stored(self, type_name: str = "Patient", id_: str = "1") -> Stored:
        """A version: `body` where a test sets it; a Patient has a number, in no place that FHIR knows."""
        body = b'{"resourceType":"%s","id":"1"' % type_name.encode()
        body += b',"x":1.50}' if type_name == "Patient" else b"}"
        return Stored(type_name, id_, 3, UPDATED, self.body or body)

    def _ask(self, access: AccessContext, *asked: Any, permission: Permission = Permission.READ) -> None:
        self.asked.append(asked)
        access.require("Patient", permission)
        if self.error is not None:
            raise self.error

    async def read(self, access: AccessContext, type_name: str, id_: str) -> Stored:
        """Patient/1."""
        self._ask(access, "read", type_name, id_)
        if id_ != "1":
            raise not_found(f"{type_name}/{id_} does not exist")
        return self.stored(type_name, id_)

    async def vread(self, access: AccessContext, type_name: str, id_: str, version: str) -> Stored:
        """Patient/1."""
        self._ask(access, "vread", type_name, id_, version)
        return self.stored(type_name, id_)

    async def create(
        self, access: AccessContext, type_name: str, body: bytes, if_none_exist: str | None = None
    ) -> Written:
        """A new version."""
        self._ask(access, "create", type_name, body, if_none_exist, permission=Permission.CREATE)
        return Written(self.stored(), self.created, self.changed)

    async def update(
        self,
        access: AccessContext,
        type_name: str,
        id_: str,
        body: bytes,
        if_match: int | None = None,
        *,
        only_new: bool = False,
    ) -> Written:
        """A new version."""
        self._ask(access, "update", type_name, id_, body, if_match, only_new)
        return Written(self.stored(), self.created, self.changed)

    async def update_where(
        self,
        access: AccessContext,
        type_name: str,
        params: Sequence[tuple[str, str]],
        body: bytes,
        if_match: int | None = None,
        *,
        only_new: bool = False,
    ) -> Written:
        """A new version."""
        self._ask(access, "update", type_name, list(params), body, if_match, only_new)
        return Written(self.stored(), self.created, self.changed)

    async def patch(
        self, access: AccessContext, type_name: str, id_: str, body: bytes, media_type: str, if_match: int | None = None
    ) -> Written:
        """A new version."""
        self._ask(access, "patch", type_name, id_, body, media_type, if_match)
        return Written(self.stored(), created=False, changed=self.changed)

    async def patch_where(
        self,
        access: AccessContext,
        type_name: str,
        params: Sequence[tuple[str, str]],
        body: bytes,
        media_type: str,
        if_match: int | None = None,
    ) -> Written:
        """A new version."""
        self._ask(access, "patch", type_name, list(params), body, media_type, if_match)
        return Written(self.stored(), created=False, changed=self.changed)

    async def delete_where(
        self,
        access: AccessContext,
        type_name: str,
        params: Sequence[tuple[str, str]],
        if_match: int | None = None,
    ) -> list[Stored]:
        """Two are gone."""
        self._ask(access, "delete", type_name, list(params), if_match)
        return [self.stored(), self.stored(id_="2")]

    async def delete(
        self, access: AccessContext, type_name: str, id_: str, if_match: int | None = None
    ) -> Stored | None:
        """Gone."""
        self._ask(access, "delete", type_name, id_, if_match)
        return self.stored() if id_ == "1" else None

    async def history(
        self,
        access: AccessContext,
        type_name: str | None,
        id_: str | None,
        params: Sequence[tuple[str, str]],
        *,
        strict: bool = False,
    ) -> Page:
        """An empty page."""
        self._ask(access, "history", type_name, id_, list(params), strict)
        return Page("history", (), 0, {"self": "_count=2"})

    async def search(
        self, access: AccessContext, searched: Searched, params: Sequence[tuple[str, str]], *, strict: bool = False
    ) -> Page:
        """One match."""
        self._ask(access, "search", searched.path, list(params), strict)
        return Page("searchset", (Entry(f"{BASE}/Patient/1", self.stored().body, "match"),), 1, {"self": "name=x"})

    async def bundle(
        self,
        access: AccessContext,
        body: bytes,
        *,
        returns: Return = Return.REPRESENTATION,
        strict: bool = False,
        call: object = None,
    ) -> Page:
        """An empty answer."""
        assert call is not None
        self._ask(access, "bundle", body, returns, strict)
        return Page("transaction-response")

    def capabilities(self, root: str, operations: Sequence[object]) -> dict[str, Any]:
        """Only where it is."""
        rest = [{"mode": "server", "resource": []}]
        return {
            "resourceType": "CapabilityStatement",
            "implementation": {"url": root},
            "rest": rest,
            "n": len(operations),
        }


class Fhir:
    """An edge with its fakes."""

    def __init__(self, *, max_body: int = 1000, **scopes: str) -> None:
        self.interactions = FakeInteractions()
        self.gate = FakeGate(scopes)
        self.app: ASGIApp = router(routes(Edge(cast("Interactions", self.interactions), self.gate, max_body)))

    @property
    def asked(self) -> tuple[Any, ...]:
        """The one thing that was asked."""
        (asked,) = self.interactions.asked
        return asked
