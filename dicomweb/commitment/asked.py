"""Asking this server to take responsibility for instances: kept, and answered later by an errand.

A Transaction UID is used once among peers; what is asked over HTTP (at_once.py) counts for itself. Who repeats a
request word for word has not heard the answer: it is one request, told again. Other references under a UID that is in
use are a request of their own, all of whose instances fail (0131H).

Spec: PS3.4 J.3.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence

from xxhash import xxh3_128

from dicomweb.commitment.references import Reference, Request, pack, unpack
from dicomweb.errand.queue import Kind, Wanted, ask
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

WORD = "storage-commitment"
KEPT = "90 days"
"""How long a Transaction UID is known as used."""

_ASKED = """
WITH same AS (
       SELECT pk FROM commitment WHERE transaction_uid = %s AND aet = %s AND digest = %s ORDER BY pk LIMIT 1),
     made AS (
       INSERT INTO commitment (transaction_uid, aet, digest, count, list, is_duplicate)
       SELECT %s, %s, %s, %s, %s, EXISTS (
         SELECT FROM commitment WHERE transaction_uid = %s AND strpos(aet, E'\\\\') = 0)
       WHERE NOT EXISTS (SELECT FROM same) RETURNING pk)
SELECT pk FROM same UNION ALL SELECT pk FROM made"""


def request(access: AccessContext, aet: str, asked: Request) -> Work[None]:
    """Take a request of the peer `aet`: durable, audited, and to be answered. Raises Forbidden.

    Four statements, whatever the number of references; requests of one transaction come one after the other.
    """
    access.require("ImagingStudy", Permission.READ)
    packed = pack(asked.references)
    digest = xxh3_128(repr(asked.references).encode()).digest()
    uid = asked.transaction_uid
    yield Statement("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"commitment {uid}",))
    rows = yield Statement(_ASKED, (uid, aet, digest, uid, aet, digest, len(asked.references), packed, uid))
    yield ask([Wanted(Kind.COMMITMENT, aet, str(rows[0][0]))])
    yield record([AuditRow(access.origin, "E", WORD, entity=uid, query=_count(asked.references))])


def _count(references: Sequence[Reference]) -> str:
    return references[0].sop_instance if len(references) == 1 else f"{len(references)} instances"


class Commitment(Request, frozen=True):
    """A request as it is kept; `is_duplicate` when its Transaction UID was in use."""

    is_duplicate: bool


def find(pk: int) -> Work[Commitment | None]:
    """The request of that key, unless it was forgotten."""
    rows = yield Statement("SELECT transaction_uid, list, is_duplicate FROM commitment WHERE pk = %s", (pk,))
    if not rows:
        return None
    uid, packed, is_duplicate = rows[0]
    return Commitment(uid, unpack(bytes(packed)), is_duplicate)


def sweep() -> Statement:
    """Forget old requests."""
    return Statement(f"DELETE FROM commitment WHERE received < now() - interval '{KEPT}'")
