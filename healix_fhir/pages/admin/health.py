"""How the server is: whether its parts work, and what they have behind them. For people; machines ask `/readyz`."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.counting import count, told
from healix_fhir.kernel.database import Row, Statement, Work, atransaction
from healix_fhir.kernel.jobs import STALLED
from healix_fhir.kernel.outbox import ATTEMPTS
from healix_fhir.pages.admin.storage import size
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.administration import looking
from smart_auth.oauth.sessions import Session

HEALTH = "health"
LATE = 60.0
"""Seconds after which an event that waits in the outbox is late: it is looked for five times a second."""
UNSEALED = 60.0
"""Seconds after which a row of the audit trail should be sealed: that is done twice a second."""
LITTLE = 0.1
"""Share of the disk below which what is free is little."""


@dataclass(frozen=True, slots=True)
class Check:
    """One part: how it is, and whether that is well."""

    what: str
    told: str
    well: bool


_STATE = f"""SELECT current_setting('server_version'), (SELECT version_num FROM alembic_version),
  (SELECT extract(epoch FROM now() - max(last_heartbeat))::float8 FROM procrastinate_workers),
  (SELECT extract(epoch FROM now() - min(due))::float8 FROM outbox WHERE attempts < {ATTEMPTS}),
  {count(f"FROM outbox WHERE attempts >= {ATTEMPTS}")},
  {count("FROM mail WHERE given_up IS NOT NULL")},
  {count("FROM errand WHERE given_up")},
  (SELECT extract(epoch FROM now() - min(e.recorded))::float8 FROM (
     SELECT recorded FROM audit_event
     WHERE seq > coalesce((SELECT high FROM audit_block ORDER BY number DESC LIMIT 1), 0)
     ORDER BY seq LIMIT 1) e),
  {count("FROM damaged_instance")},
  (SELECT max(finished) FROM integrity_check),
  (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()), current_setting('max_connections')::int"""


async def show(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/health"""
    who = origin(request, session)
    row = await atransaction(site.pool, lambda: _state(who))
    disk = await asyncio.to_thread(shutil.disk_usage, _there(site))
    return page(
        "admin/health.html",
        username=session.account.username,
        csrf=session.csrf,
        checks=[*checks(row), _disk(disk.total, disk.free)],
        version=version("healix"),
        schema=row[1],
        postgresql=row[0].split(" ")[0],
    )


def _state(who: Origin) -> Work[Row]:
    (row,) = yield Statement(_STATE)
    yield looking.listed(who, "health")
    return row


def checks(row: Row) -> list[Check]:
    """What the row of `_STATE` says, part by part."""
    _, _, worker, waits, stuck, mails, errands, unsealed, damaged, checked, used, most = row
    return [
        Check("Database", f"answers; {used} of {most} connections are open", used < most * 0.9),
        Check(
            "Job worker",
            "has never run" if worker is None else f"was last heard of {_ago(worker)}",
            worker is not None and worker < STALLED,
        ),
        Check(
            "Events", "none waits" if waits is None else f"the oldest waits since {_span(waits)}", (waits or 0) < LATE
        ),
        Check("Events given up", told(stuck), not stuck),
        Check("Mails given up", told(mails), not mails),
        Check("Sending to other systems given up", told(errands), not errands),
        Check(
            "Audit trail",
            "is sealed up to now" if not unsealed or unsealed < UNSEALED else f"is not sealed since {_span(unsealed)}",
            not unsealed or unsealed < UNSEALED,
        ),
        Check("Damaged images", f"{told(damaged)}; {_checked(checked)}", not damaged),
    ]


def _checked(moment: datetime | None) -> str:
    return "not all were looked at yet" if moment is None else f"all were looked at until {moment:%Y-%m-%d %H:%M} UTC"


def _disk(total: int, free: int) -> Check:
    return Check("Disk of the data directory", f"{size(free)} of {size(total)} are free", free > total * LITTLE)


def _ago(seconds: float) -> str:
    return f"{_span(seconds)} ago"


def _span(seconds: float) -> str:
    """A length of time in its largest unit."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    count = max(0, int(seconds))
    return f"{count} second{'' if count == 1 else 's'}"


def _there(site: Site) -> str:
    """The data directory, or where it would be made."""
    folder = site.settings.data_dir.absolute()
    return str(next(one for one in (folder, *folder.parents) if one.exists()))
