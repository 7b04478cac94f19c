"""What an upstream did not take, and the choice of people: ours, theirs, or neither.

* Ours: what waits here goes over what is there. If that has changed again meanwhile, it is a conflict again.
* Theirs: what is there becomes the next version here, or a deletion; what waited here stays in the history only.
* Neither: both stay as they are; what waited is not sent, and the next change here asks again.

A decision is made in one transaction, and audited; nobody is asked twice for the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import zstandard

from dicomweb.errand.queue import ask
from healix_fhir.care.sync.upstream import find
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.kernel.errors import invalid, not_found
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import internal

WORD = "sync-conflict"
LISTED = 200
SERVER_SET = frozenset({"versionId", "lastUpdated", "source"})


class Keep(StrEnum):
    """What becomes of a conflict."""

    OURS = "ours"
    THEIRS = "theirs"
    NEITHER = "neither"


class Conflict(msgspec.Struct, frozen=True):
    """What an upstream did not take: `version` of this server, since when, and what is there instead (None: nothing).

    `refused`: it was not taken for what it is, so that there are no `theirs` to take. `waiting` versions are held.
    """

    upstream: str
    type: str
    id: str
    version: int
    refused: bool
    reason: str
    found: datetime
    theirs_etag: str | None
    waiting: int
    ours: dict[str, Any] | None
    theirs: dict[str, Any] | None

    @property
    def differs(self) -> list[str]:
        """The elements in which both versions differ, by name."""
        ours, theirs = self.ours or {}, self.theirs or {}
        names = [name for name in {**ours, **theirs} if name != "meta" and ours.get(name) != theirs.get(name)]
        return [*names, *(["meta"] if _meta(ours) != _meta(theirs) else [])]


_LISTED = f"""
SELECT x.upstream, x.type, x.id, x.version, x.refused, x.reason, x.found, x.etag,
       (SELECT count(*)::int FROM sync_change c WHERE c.upstream = x.upstream AND c.type = x.type AND c.id = x.id),
       r.body, x.theirs
FROM sync_conflict x
LEFT JOIN unnest(%s::text[], %s::int2[]) AS t (name, number) ON t.name = x.type
LEFT JOIN resource r ON r.type = t.number AND r.id = x.id
WHERE {{condition}} ORDER BY x.found, x.upstream, x.type, x.id LIMIT {LISTED}"""
TYPES = (list(TYPE_ID), list(TYPE_ID.values()))


def conflicts() -> Work[list[Conflict]]:
    """What is to be decided, the oldest first; at most `LISTED`."""
    rows = yield Statement(_LISTED.format(condition="true"), TYPES)
    return [_conflict(row) for row in rows]


def chosen(keep: str, version: str) -> tuple[Keep, int]:
    """What somebody chose, and the version that they saw. Raises Invalid."""
    if keep not in list(Keep) or not (version.isascii() and version.isdigit() and len(version) < 10):
        raise invalid("keep ours, theirs or neither, of a version")
    return Keep(keep), int(version)


def resolve(
    origin: Origin, upstream: str, type_name: str, id_: str, keep: Keep, bases: tuple[str, ...], *, version: int | None
) -> Work[None]:
    """Decide a conflict; `version` is the one of this server that who decides has seen, None for any.

    Raises NotFound where there is no such conflict any more, Invalid for theirs where there are none or they are no
    valid resource here.
    """
    target = yield from find(upstream)
    condition = "x.upstream = %s AND x.type = %s AND x.id = %s AND x.version = coalesce(%s, x.version)"
    rows = yield Statement(_LISTED.format(condition=condition), (*TYPES, upstream, type_name, id_, version))
    if not rows:
        raise not_found("there is no such conflict, or not any more")
    conflict, key = _conflict(rows[0]), (upstream, type_name, id_)
    if keep is Keep.THEIRS and conflict.refused:
        raise not_found("there is nothing of theirs to take")
    taken = 0
    if keep is Keep.THEIRS:
        taken = yield from _take(conflict, origin, bases)
    if keep is not Keep.OURS:
        yield Statement(
            "DELETE FROM sync_change WHERE upstream = %s AND type = %s AND id = %s AND version <= greatest(%s, %s)",
            (*key, taken, conflict.version if conflict.ours is None else _number(conflict.ours)),
        )
    yield Statement("DELETE FROM sync_conflict WHERE upstream = %s AND type = %s AND id = %s", key)
    if not (conflict.refused or keep is Keep.NEITHER):
        yield Statement(
            """INSERT INTO sync_known (upstream, type, id, version, etag) VALUES (%s, %s, %s, %s, %s)
               ON CONFLICT (upstream, type, id) DO UPDATE
               SET version = greatest(sync_known.version, excluded.version), etag = excluded.etag""",
            (*key, taken, conflict.theirs_etag),
        )
    yield ask([target.wanted])
    yield record([AuditRow(origin, "U", WORD, entity=f"{type_name}/{id_}", query=f"{upstream}: keep {keep}")])


def _take(conflict: Conflict, origin: Origin, bases: tuple[str, ...]) -> Work[int]:
    """Make theirs the version of this server; its number, 0 where nothing was and nothing is."""
    access = internal(origin)
    if conflict.theirs is None:
        made = Change(Method.DELETE, conflict.type, conflict.id)
    else:
        made = change(Method.PUT, dict(conflict.theirs), conflict.type, conflict.id, bases)
    done: Sequence[Any] = yield from commit(access, [made])
    return done[0].stored.version if done[0].stored is not None else 0


def _conflict(row: Row) -> Conflict:
    ours, theirs = row[-2:]
    plain = Conflict(*row)
    return msgspec.structs.replace(
        plain,
        ours=decode(bytes(ours)) if ours else None,
        theirs=decode(zstandard.decompress(theirs)) if theirs else None,
    )


def _number(resource: dict[str, Any]) -> int:
    return int(resource["meta"]["versionId"])


def _meta(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.get("meta", {}).items() if name not in SERVER_SET}
