"""Devices that may send readings, in the hands of an administrator: which have a token, since when, and whose it is.

What a device is called and what it measured is a matter of its patient's record, and is not shown.

Spec: docs/decisions/0151; OWASP ASVS 5.0 10.4
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import not_found
from smart_auth.administration.page import PAGE, Listed, listed
from smart_auth.oauth.pairing import of, unpair


@dataclass(frozen=True, slots=True)
class Line:
    """A device with a token. `id` and `patient` are logical ids."""

    id: str
    patient: str
    since: datetime
    expires: datetime


_PREFIX = of("")
_LIVING = "grant_id >= 'device/' AND grant_id < 'device0' AND NOT revoked AND expires > now()"
"""In the words of the index over grants: what begins with `device/`."""


def find_devices(asked: str, after: str | None, origin: Origin) -> Work[Listed[Line]]:
    """A page of the devices with a token, by id, those after the device `after`; `asked` is an id of one, or of its
    patient. Each patient whose device is listed has a row in the audit trail.
    """
    rows = yield Statement(
        f"""SELECT grant_id, patient, created, expires FROM access_token
            WHERE {_LIVING} AND grant_id > %(after)s
              AND (%(asked)s = '' OR patient = %(asked)s OR grant_id = 'device/' || %(asked)s)
            ORDER BY grant_id LIMIT %(most)s""",
        {"after": of(after or ""), "asked": asked.replace("\0", ""), "most": PAGE + 1},
    )
    found = listed([Line(one[0].removeprefix(_PREFIX), *one[1:]) for one in rows], lambda line: line.id)
    said = f"device q={asked}" if asked else "device"
    whose: dict[str | None, None] = dict.fromkeys(line.patient for line in found.lines)
    rows_of = [AuditRow(origin, "E", "list-administered", patient=one, query=said) for one in whose or {None: None}]
    yield record(rows_of)
    return found


def end_access(device: str, origin: Origin) -> Work[None]:
    """End the token of a device at once, whatever has become of the Device. Raises NotFound where it has none."""
    rows = yield Statement(f"SELECT patient FROM access_token WHERE grant_id = %s AND {_LIVING}", (of(device),))
    if not rows:
        raise not_found("no such device has access")
    yield from unpair(device, rows[0][0], origin)
