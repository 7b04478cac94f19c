"""What is shown and that it was shown: one statement, whose end the caller waits for.

So nothing has been shown that is not on record, also after a crash, and the database is asked once instead of four
times.
"""

from __future__ import annotations

from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Fragment, Statement


def audited(found: Fragment, about: Fragment, row: AuditRow, *, prepare: bool | None = None) -> Statement:
    """The rows of the query `found`, in order of its column `place`, and their audit rows.

    Audit rows are like `row`, one for each of `about`: a query over `found` with the columns patient, entity, query.
    """
    origin = row.origin
    return Statement(
        f"WITH found AS MATERIALIZED ({found.sql}), audited AS ("
        "INSERT INTO audit_event (action, subtype, outcome, client, account, address, request, patient, entity, query)"
        f" SELECT %s, %s, 0, %s, %s, %s, %s, a.patient, a.entity, a.query FROM ({about.sql}) a)"
        " SELECT * FROM found ORDER BY place",
        (
            *found.params,
            *(row.action, row.subtype, origin.client, origin.account, origin.address, origin.request),
            *about.params,
        ),
        prepare,
    )
