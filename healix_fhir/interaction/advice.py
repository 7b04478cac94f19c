"""What asks services outside for advice on orders, as the edge of this server hands it to operations.

Spec: CDS Hooks 2.0, cds-hooks.hl7.org/2.0/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

Json = Mapping[str, Any]
Prefetch = Callable[[str], Awaitable[Json | None]]
"""The answer to a query relative to the FHIR base, in its caller's name; None where it cannot be had."""


class Said(Protocol):
    """What one service said, or why it said nothing."""

    @property
    def service(self) -> str:
        """What people call the service."""

    @property
    def cards(self) -> tuple[Json, ...]:
        """Its cards."""

    @property
    def problem(self) -> str:
        """Why there are none; empty where it answered."""


class Adviser(Protocol):
    """The services that an administrator has set up."""

    async def ask(self, hook: str, context: Json, prefetch: Prefetch) -> tuple[Said, ...]:
        """What each service for the hook says."""
