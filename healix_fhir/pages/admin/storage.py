"""What is stored, and what room it takes: images and their tiers, the database and its largest tables, the disk.

Where there are many images their number and size are estimated, from the planner's statistics and a sample of the
rows: a sum over millions of wide rows would read them all for a page that somebody looks at in passing.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Row, Statement, Work, atransaction
from healix_fhir.pages.admin.settings import shown
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.administration import looking
from smart_auth.oauth.sessions import Session

STORAGE = "storage"
EXACT = 20_000
"""Instances, and files, up to which they are counted and summed up exactly."""
SAMPLED = 20_000
"""Instances, about, that a sample has."""
TABLES = 10
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, slots=True)
class Images:
    """Numbers of what is stored; `near` are bytes of the images that came within the days of the near tier."""

    studies: int
    series: int
    instances: int
    size: int
    near: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database knows of storage. `tables` are names and bytes of the largest ones; what is `many` is
    estimated.
    """

    images: Images
    deleted: int
    many_deleted: bool
    exports: int
    exports_size: int
    many_exports: bool
    database: int
    tables: list[Row]


async def show(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/storage"""
    who, settings = origin(request, session), site.settings
    stored = await atransaction(site.pool, lambda: _stored(settings.blob_local_days, who))
    disk = await asyncio.to_thread(_disk, settings.data_dir)
    return page(
        "admin/storage.html",
        username=session.account.username,
        csrf=session.csrf,
        stored=stored,
        disk=disk,
        settings=settings,
        where=shown("blob_url", settings.blob_url),
        exports=shown("bulk_url", settings.bulk_url),
        external=bool(settings.database_url) and str(settings.data_dir) not in settings.database_url,
        size=size,
    )


def size(count: int) -> str:
    """Bytes in the unit in which people say them, with powers of 1000."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(UNITS) - 1:  # what would be rounded to four digits has the next unit
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {UNITS[unit]}" if unit == 0 or value >= 99.5 else f"{value:.1f} {UNITS[unit]}"


def _disk(folder: Path) -> tuple[int, int] | None:
    """Bytes of the disk that holds the data directory, and those that are free; None where it is not there."""
    try:
        found = shutil.disk_usage(folder)
    except OSError:
        return None
    return found.total, found.free


_ROWS = """SELECT relname, greatest(reltuples, 0)::bigint FROM pg_class
WHERE oid IN ('study'::regclass, 'series'::regclass, 'instance'::regclass)"""
_MANY = "SELECT count(*) FROM (SELECT FROM instance LIMIT %s) x"
_SUMS = """SELECT (SELECT count(*) FROM study), (SELECT count(*) FROM series), count(*), coalesce(sum(size), 0)::bigint,
  coalesce(sum(size) FILTER (WHERE stored > now() - make_interval(days => %s)), 0)::bigint FROM instance"""
_SAMPLE = """SELECT coalesce(avg(size), 0)::float8,
  coalesce(avg(CASE WHEN stored > now() - make_interval(days => %s) THEN size ELSE 0 END), 0)::float8
FROM instance TABLESAMPLE SYSTEM (%s)"""
_REST = """SELECT d.n, f.n, f.size, pg_database_size(current_database()),
  (SELECT reltuples::bigint FROM pg_class WHERE oid = 'deleted_instance'::regclass),
  (SELECT reltuples::bigint FROM pg_class WHERE oid = 'bulk_file'::regclass)
FROM (SELECT count(*) AS n FROM (SELECT FROM deleted_instance LIMIT %(most)s) x) d,
  (SELECT count(*) AS n, coalesce(sum(size), 0)::bigint AS size FROM (SELECT size FROM bulk_file LIMIT %(most)s) x) f"""
_TABLES = """SELECT relname, pg_total_relation_size(oid) FROM (
  SELECT oid, relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
  ORDER BY relpages DESC LIMIT %s) t ORDER BY 2 DESC"""


def _stored(days: int, who: Origin) -> Work[Stored]:
    images = yield from _images(days)
    (rest,) = yield Statement(_REST, {"most": EXACT + 1})
    deleted, exports, exports_size, database, all_deleted, all_exports = rest
    many_deleted, many_exports = deleted > EXACT, exports > EXACT
    if many_deleted:
        deleted = max(deleted, all_deleted)
    if many_exports:
        exports, exports_size = max(exports, all_exports), exports_size * max(exports, all_exports) // exports
    tables = yield Statement(_TABLES, (TABLES,))
    yield looking.listed(who, "storage")
    return Stored(images, deleted, many_deleted, exports, exports_size, many_exports, database, tables)


def _images(days: int) -> Work[Images]:
    ((many,),) = yield Statement(_MANY, (EXACT + 1,))
    if many <= EXACT:
        (sums,) = yield Statement(_SUMS, (days,))
        studies, series, instances, total, near = sums
        return Images(studies, series, instances, total, near, exact=True)
    rows: dict[str, int] = dict((yield Statement(_ROWS)))
    instances = max(rows["instance"], many)
    ((each, new),) = yield Statement(_SAMPLE, (days, min(100.0, 100.0 * SAMPLED / instances)))
    total, near = round(each * instances), round(new * instances)
    return Images(rows["study"], rows["series"], instances, total, near, exact=False)
