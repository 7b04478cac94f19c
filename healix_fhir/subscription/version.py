"""Versions of resources, as subscriptions look at them: with their index rows, and with the version before.

They are read from the store without a question of access: what comes of it is told to nobody who may not see it
(subscription/seen.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.search.extract import extract
from healix_fhir.store.body import unpack
from healix_fhir.store.index import IndexRows

Key = tuple[str, str, int]
"""Type, id and version."""


@dataclass(slots=True)
class Version:
    """One version; `is_present` where there is none after it. `previous` is the content before, once it is known."""

    type: str
    id: str
    number: int
    resource: dict[str, Any]
    rows: IndexRows
    is_present: bool
    previous: dict[str, Any] | None = field(default=None)
    previous_rows: IndexRows | None = field(default=None)

    @property
    def created(self) -> bool:
        """Whether there was none before."""
        return self.number == 1


def versions(asked: Iterable[Key], bases: tuple[str, ...]) -> Work[list[Version]]:
    """Those of the versions that are there and no deletions, in the order asked for."""
    wanted = list(dict.fromkeys(asked))
    found = yield from _bodies(wanted)
    return [
        Version(*key, resource, extract(resource, key[0], bases), is_present)
        for key in wanted
        if key in found
        for resource, is_present in [found[key]]
    ]


def look_back(several: Sequence[Version], bases: tuple[str, ...]) -> Work[None]:
    """Learn what stood before these versions."""
    earlier = [(one.type, one.id, one.number - 1) for one in several if not one.created and one.previous is None]
    found = (yield from _bodies(list(dict.fromkeys(earlier)))) if earlier else {}
    for one in several:
        before = found.get((one.type, one.id, one.number - 1))
        if before is not None:
            one.previous = before[0]
            one.previous_rows = extract(before[0], one.type, bases)


def _bodies(keys: Sequence[Key]) -> Work[dict[Key, tuple[dict[str, Any], bool]]]:
    rows = yield Statement(
        """WITH x AS (SELECT * FROM unnest(%s::smallint[], %s::text[], %s::int[]) WITH ORDINALITY AS x (type, id, v, n))
           SELECT x.n, r.body, true FROM x JOIN resource r ON r.type = x.type AND r.id = x.id AND r.version = x.v
           WHERE NOT r.deleted
           UNION ALL
           SELECT x.n, h.body, false FROM x
           JOIN resource_history h ON h.type = x.type AND h.id = x.id AND h.version = x.v WHERE NOT h.deleted""",
        (arrays.int2(TYPE_ID[type_] for type_, _, _ in keys), [id_ for _, id_, _ in keys], [v for *_, v in keys]),
    )
    return {
        keys[n - 1]: (decode_stored(bytes(body) if is_present else unpack(bytes(body))), is_present)
        for n, body, is_present in rows
    }
