"""One request as a value, whether it came alone or as an entry of a bundle.

Spec: FHIR R4, hl7.org/fhir/R4/http.html, hl7.org/fhir/R4/bundle.html#transaction
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from healix_fhir.search.match import Condition

WRITES = ("DELETE", "POST", "PUT", "PATCH")


Steps: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""What makes the next version of a resource from the current one: a patch that was read."""


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for. `number` is the entry's place in its bundle from 0; `path` are the segments of its address.

    `id` is the logical id that the address, or for a conditional update the body, names; a create has the one that its
    resource will get. `condition` is that of a conditional interaction, `params` are those of any other address.
    """

    method: str
    type: str = ""
    id: str | None = None
    number: int = 0
    path: tuple[str, ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    full_url: str | None = None
    resource: dict[str, Any] | None = None
    steps: Steps | None = None
    condition: Condition | None = None
    if_match: int | None = None
    if_none_match: str | None = None
    if_modified_since: datetime | None = None

    @property
    def writes(self) -> bool:
        """Whether it may change a resource: neither a GET nor the call of an operation."""
        return self.method in WRITES and bool(self.type)
