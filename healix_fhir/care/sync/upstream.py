"""Upstreams: servers that get what changes here, over FHIR, DICOMweb or both.

They are the operator's, so an address in a private network is allowed where the operator says so for that upstream.
Secrets stay in files, whose paths are kept: the private key of a client of SMART Backend Services, or a bearer token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from dicomweb.errand.queue import Kind, Wanted, ask
from dicomweb.routing.rules import check_name
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.kernel.endpoint import check_endpoint
from healix_fhir.kernel.errors import forbidden, invalid, not_found
from healix_fhir.model.definitions import TYPE_ID
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

WORD = "sync-upstream"
MOST = 20
"""Upstreams."""
OWN = frozenset({"AuditEvent", "OperationDefinition", "Subscription"})
"""Types of which each server has its own: they do not go anywhere."""
RULES = frozenset({"PlanDefinition"})
"""Types by which a server acts: an upstream with this site's alert rules would raise each alert once more."""
OF_IMAGES = frozenset({"ImagingStudy"})
"""Types that an upstream makes by itself of the images that it gets."""


class Upstream(msgspec.Struct, frozen=True):
    """A server that gets what changes here. One of `fhir` and `dicomweb` is set, or both; `types` empty: all but `OWN`,
    `RULES`, and `OF_IMAGES` where images go there too. It takes a `token_file`, or a `client` with its `key_file`.
    """

    name: str
    fhir: str | None = None
    dicomweb: str | None = None
    allow_private: bool = False
    client: str | None = None
    token_url: str | None = None
    key_file: str | None = None
    token_file: str | None = None
    types: Sequence[str] = ()

    def takes(self, type_name: str) -> bool:
        """Whether resources of a type go there."""
        if self.fhir is None:
            return False
        if self.types:
            return type_name in self.types
        return type_name not in OWN | RULES and not (self.dicomweb is not None and type_name in OF_IMAGES)

    @property
    def wanted(self) -> Wanted:
        """The errand that brings it what it is to have."""
        return Wanted(Kind.SYNC, f"sync {self.name}", self.name)


COLUMNS = "name, fhir, dicomweb, allow_private, client, token_url, key_file, token_file, types"

_CHANGES = """
INSERT INTO sync_change (upstream, type, id, version)
SELECT %s, x.type, r.id, r.version FROM unnest(%s::int2[], %s::text[]) AS x (number, type)
JOIN resource r ON r.type = x.number WHERE NOT r.deleted AND coalesce(r.pat, 0) >= 0
ORDER BY r.updated, r.pk ON CONFLICT DO NOTHING"""
_STUDIES = """
INSERT INTO sync_study (upstream, study)
SELECT %s, study_uid FROM study WHERE coalesce(pat, 0) >= 0 ORDER BY updated ON CONFLICT DO NOTHING"""


def put(access: AccessContext, upstream: Upstream, *, everything: bool = True) -> Work[None]:
    """Add an upstream, which gets all that is here now (`everything`) and all that changes; or change the one of its
    name, which goes on where it is. Raises Invalid.
    """
    _require(access)
    _check(upstream)
    rows = yield Statement(
        f"""INSERT INTO sync_upstream AS u ({COLUMNS}) SELECT {", ".join(["%s"] * 9)}
            WHERE (SELECT count(*) FROM sync_upstream WHERE name <> %s) < {MOST}
            ON CONFLICT (name) DO UPDATE SET fhir = excluded.fhir, dicomweb = excluded.dicomweb,
              allow_private = excluded.allow_private, client = excluded.client, token_url = excluded.token_url,
              key_file = excluded.key_file, token_file = excluded.token_file, types = excluded.types,
              due = now(), failures = 0, reason = NULL
            RETURNING xmax = 0""",
        (
            upstream.name,
            upstream.fhir,
            upstream.dicomweb,
            upstream.allow_private,
            upstream.client,
            upstream.token_url,
            upstream.key_file,
            upstream.token_file,
            list(upstream.types) or None,
            upstream.name,
        ),
    )
    if not rows:
        raise invalid(f"there are at most {MOST} upstreams", code="too-costly")
    if rows[0][0] and everything:
        types = [name for name in TYPE_ID if upstream.takes(name)]
        yield Statement(_CHANGES, (upstream.name, [TYPE_ID[name] for name in types], types), prepare=False)
        if upstream.dicomweb is not None:
            yield Statement(_STUDIES, (upstream.name,))
    yield ask([upstream.wanted])
    said = msgspec.json.encode(upstream).decode()
    yield record([AuditRow(access.origin, "U", WORD, query=said)])


def remove(access: AccessContext, name: str) -> Work[None]:
    """Remove an upstream, and all that is known of what it has and has not. Raises NotFound."""
    _require(access)
    found = yield from find(name)
    for table in ("change", "known", "conflict", "study"):
        yield Statement(f"DELETE FROM sync_{table} WHERE upstream = %s", (found.name,))
    yield Statement("DELETE FROM sync_upstream WHERE name = %s", (found.name,))
    yield Statement("DELETE FROM errand WHERE kind = %s AND about = %s", (Kind.SYNC.value, found.name))
    yield record([AuditRow(access.origin, "D", WORD, query=found.name)])


def retry(origin: Origin, name: str) -> Work[None]:
    """Call an upstream now, and send it once more what it refused. Raises NotFound."""
    found = yield from find(name)
    yield Statement("UPDATE sync_upstream SET due = now(), failures = 0 WHERE name = %s", (found.name,))
    yield Statement("DELETE FROM sync_conflict WHERE upstream = %s AND refused", (found.name,))
    yield Statement(
        """UPDATE sync_study SET open = true, after = 0, refused = 0, reason = NULL
           WHERE upstream = %s AND refused > 0""",
        (found.name,),
    )
    yield ask([found.wanted])
    yield record([AuditRow(origin, "E", WORD, query=f"retry {found.name}")])


def upstreams() -> Work[list[Upstream]]:
    """The upstreams, by name."""
    rows = yield Statement(f"SELECT {COLUMNS} FROM sync_upstream ORDER BY name")
    return [_upstream(row) for row in rows]


def find(name: str) -> Work[Upstream]:
    """An upstream by its name. Raises NotFound."""
    rows = yield Statement(f"SELECT {COLUMNS} FROM sync_upstream WHERE name = %s", (name.replace("\0", ""),))
    if not rows:
        raise not_found(f"there is no upstream '{name[:64]}'")
    return _upstream(rows[0])


def _upstream(row: Row) -> Upstream:
    return msgspec.structs.replace(Upstream(*row), types=tuple(row[-1] or ()))


def _check(upstream: Upstream) -> None:
    check_name(upstream.name, "upstream")
    if upstream.fhir is None and upstream.dicomweb is None:
        raise invalid("an upstream has a FHIR base, a DICOMweb base, or both", code="required")
    for url in (upstream.fhir, upstream.dicomweb, upstream.token_url):
        if url is not None:
            check_endpoint(url, allow_private=upstream.allow_private)
    if (upstream.client is None) != (upstream.key_file is None):
        raise invalid("a client of SMART Backend Services has a client_id and a key file", code="required")
    if upstream.client is not None and upstream.token_file is not None:
        raise invalid("an upstream takes a bearer token or a client's, not both")
    if upstream.client is not None and upstream.token_url is None and upstream.fhir is None:
        raise invalid("without a FHIR base the token URL must be told", code="required")
    for path in (upstream.key_file, upstream.token_file):
        if path is not None and not (Path(path).is_absolute() and Path(path).is_file()):
            raise invalid("the key or token file is not there")
    unknown = [one for one in upstream.types if one not in TYPE_ID or one in OWN]
    if unknown:
        raise invalid(f"{unknown[0][:64]} is no resource type that goes anywhere")
    if upstream.types and upstream.fhir is None:
        raise invalid("resource types are a matter of a FHIR base")


def _require(access: AccessContext) -> None:
    if not access.sees_all("Patient", Permission.READ):
        raise forbidden("upstreams need system access")
