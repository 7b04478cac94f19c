"""Storage commitment over HTTP: a request is answered at once, and its answer can be had again.

What is committed is looked up when it is told, also the second time, so that it is true when it is told. A Transaction
UID is used once by an app and person; whether others use it, nobody is told. Of an instance that the caller may not see
nothing more is told than of one that does not exist.

Spec: PS3.18 13.4 and 13.5 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence

from xxhash import xxh3_128

from dicomweb.commitment.asked import WORD, Commitment
from dicomweb.commitment.judge import Judged
from dicomweb.commitment.references import Reference, pack, unpack
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, not_found
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

USED = "the Transaction UID is in use"
MOST_KEPT = 1000
"""Requests of one app and person that are kept at once."""


def asking(access: AccessContext, uid: str, references: Sequence[Reference]) -> Commitment:
    """A request that is to be judged. Raises Forbidden."""
    access.require("ImagingStudy", Permission.READ)
    return Commitment(uid, tuple(references), is_duplicate=False)


def keep(access: AccessContext, asked: Commitment, judged: Judged) -> Work[None]:
    """Keep a request that was judged, and put on record what is told. Raises Conflict for a used Transaction UID, Busy
    for one more than are kept of one owner.
    """
    owner = _owner(access)
    yield Statement(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"commitment {asked.transaction_uid} {owner}",)
    )
    rows = yield Statement(
        """SELECT (SELECT count(*) FROM (SELECT FROM commitment WHERE aet = %(owner)s LIMIT %(most)s) x),
                  EXISTS (SELECT FROM commitment WHERE transaction_uid = %(uid)s AND aet = %(owner)s)""",
        {"uid": asked.transaction_uid, "owner": owner, "most": MOST_KEPT},
    )
    count, is_used = rows[0]
    if is_used:
        raise HealixError(Category.CONFLICT, USED)
    if count >= MOST_KEPT:
        message = f"an app may have at most {MOST_KEPT} requests for storage commitment"
        raise HealixError(Category.BUSY, message, retry_after=3600)
    yield Statement(
        """INSERT INTO commitment (transaction_uid, aet, digest, count, list, is_duplicate)
           VALUES (%s, %s, %s, %s, %s, FALSE)""",
        (
            asked.transaction_uid, owner, xxh3_128(repr(asked.references).encode()).digest(), len(asked.references),
            pack(asked.references),
        ),
    )  # fmt: skip
    yield _told(access, asked, judged)


def known(access: AccessContext, uid: str) -> Work[Commitment]:
    """What the caller has asked under this Transaction UID. Raises Forbidden, NotFound."""
    access.require("ImagingStudy", Permission.READ)
    rows = yield Statement("SELECT list FROM commitment WHERE transaction_uid = %s AND aet = %s", (uid, _owner(access)))
    if not rows:
        raise not_found("there is no such request for storage commitment")
    return Commitment(uid, unpack(bytes(rows[0][0])), is_duplicate=False)


def again(access: AccessContext, asked: Commitment, judged: Judged) -> Work[None]:
    """Put on record what is told of a request that was kept."""
    yield _told(access, asked, judged)


def _told(access: AccessContext, asked: Commitment, judged: Judged) -> Statement:
    """That the caller is told that instances of these patients are here."""
    said = f"{len(judged.committed)} committed, {len(judged.failed)} failed"
    return record(
        [
            AuditRow(access.origin, "E", WORD, patient=patient, entity=asked.transaction_uid, query=said)
            for patient in judged.patients or (None,)
        ]
    )


def _owner(access: AccessContext) -> str:
    """The app and person, with what no AE title has between them."""
    return f"{access.origin.client or ''}\\{access.origin.account or ''}"
