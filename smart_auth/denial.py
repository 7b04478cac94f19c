"""What a known caller asked for and was not given, as rows of the audit trail: one for each patient concerned.

Who may not see a resource is answered as if it were not there, and the trail says that it was asked for. So that the
answer comes no later for what is there, the row is written in either case, by a statement that looks for the patients.

Spec: FHIR R4, hl7.org/fhir/R4/security.html#audit; IHE BALP 1.1.3
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from healix_fhir.kernel.audit import AuditRow, Origin, audit_params, insert
from healix_fhir.kernel.database import Fragment, Statement

REFUSED = 4
NOBODY = Fragment("SELECT NULL::text WHERE false")


class Denial(msgspec.Struct, frozen=True):
    """`action` and `word` as of `AuditRow`; `whose` is a query for the logical ids of the patients concerned."""

    action: str
    word: str
    entity: str | None = None
    whose: Fragment = NOBODY


def of_patients(ids: Sequence[str]) -> Fragment:
    """The patients `ids` as `Denial.whose`."""
    return Fragment("SELECT unnest(%s::text[])", (list(ids),))


_ROWS = """(
  SELECT x.r, x.a, x.s, x.o, x.c, x.u, x.d, x.q, w.id, x.e, x.t
  FROM unnest(%s::timestamptz[], %s::text[], %s::text[], %s::smallint[], %s::text[], %s::text[], %s::text[],
              %s::text[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY
         AS x (r, a, s, o, c, u, d, q, p, e, t, n)
  LEFT JOIN ({arms}) w (n, id) ON w.n = x.n) AS y (r, a, s, o, c, u, d, q, p, e, t)"""


def record_denials(denied: Sequence[tuple[Origin, Denial]]) -> Statement:
    """Insert the rows of any number of denials; there must be one."""
    rows = [AuditRow(origin, one.action, one.word, REFUSED, entity=one.entity) for origin, one in denied]
    arms = " UNION ALL ".join(
        f"SELECT {n}, whose.id FROM ({one.whose.sql}) whose (id)" for n, (_, one) in enumerate(denied, 1)
    )
    params = [param for _, one in denied for param in one.whose.params]
    return Statement(insert(_ROWS.format(arms=arms)), (*audit_params(rows), *params), prepare=False)
