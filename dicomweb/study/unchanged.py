"""Whether metadata that a process has sent before may be sent again: to this caller, and of the same rows.

A `state` stands for the rows that metadata were made of. It is the digest of their marks: the keys and versions of all
instances and of their series, which say the order, too. The database makes it of what the caller may see at the
moment, so that what is remembered opens nothing and is never stale; and it says on record that it was shown, in the
same statement.

Spec: PS3.18 10.4.1.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from dicomweb.study.audited import audited
from dicomweb.study.gone import missing
from dicomweb.study.retrieve import FROM, MARK, asked, within
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Fragment, Work
from smart_auth.access import AccessContext

_SEEN = f"""
SELECT x.study_uid, k.id AS patient, x.instance, x.state = %s AS same, 1 AS place
FROM (SELECT s.study_uid, s.pat, CASE WHEN count(*) = 1 THEN min(i.instance_uid) END AS instance,
             sha256(string_agg({MARK}, '' ORDER BY i.pk)) AS state
      FROM {FROM} WHERE {{visible}} GROUP BY s.pk) x
LEFT JOIN patient_key k ON k.pat = x.pat"""
_ABOUT = Fragment("SELECT patient, study_uid AS entity, instance AS query FROM found WHERE same")


def state_of(marks: Iterable[bytes]) -> bytes:
    """The state of rows with these marks, which begin with their keys."""
    return sha256(b"".join(sorted(marks))).digest()


def unchanged(access: AccessContext, study: str, series: str | None, instance: str | None, state: bytes) -> Work[bool]:
    """Whether the instances are still those of `state`; that their metadata are shown is audited if they are.

    Raises as `retrieve.metadata`, after as many statements.
    """
    wanted = asked(study, series, instance)
    visible = within(access, wanted)
    found = Fragment(_SEEN.format(visible=visible.sql), (state, *visible.params))
    rows = yield audited(found, _ABOUT, AuditRow(access.origin, "R", "retrieve-metadata"))
    if not rows:
        raise (yield from missing(access, wanted))
    return bool(rows[0][3])
