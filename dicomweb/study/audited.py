"""What is shown and that it was shown: one statement, whose end the caller waits for.

So nothing has been shown that is not on record, also after a crash, and the database is asked once instead of four
times.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Fragment, Row, Statement, Work

WHOLE = Fragment("SELECT * FROM found")


def audited(
    found: Fragment, about: Fragment, row: AuditRow, shown: Fragment = WHOLE, *, prepare: bool | None = None
) -> Statement:
    """The rows of `shown`, a query over the query `found`, in order of their column `place`, and the audit rows.

    Audit rows are like `row`, one for each of `about`: a query over `found` with the columns patient, entity, query.
    """
    origin = row.origin
    return Statement(
        f"WITH found AS MATERIALIZED ({found.sql}), audited AS ("
        "INSERT INTO audit_event (action, subtype, outcome, client, account, address, request, patient, entity, query)"
        f" SELECT %s, %s, 0, %s, %s, %s, %s, a.patient, a.entity, a.query FROM ({about.sql}) a)"
        f" SELECT * FROM ({shown.sql}) s ORDER BY place",
        (
            *found.params,
            *(row.action, row.subtype, origin.client, origin.account, origin.address, origin.request),
            *about.params,
            *shown.params,
        ),
        prepare,
        apart=lambda: _apart(found, about, row, shown, prepare),
    )


def _apart(found: Fragment, about: Fragment, row: AuditRow, shown: Fragment, prepare: bool | None) -> Work[list[Row]]:
    """The same for who looks up where nothing can be written: the rows, then the audit rows, before either is shown."""
    rows = yield Statement(
        f"WITH found AS MATERIALIZED ({found.sql}), told AS ("
        "SELECT coalesce(json_agg(json_build_array(a.patient, a.entity, a.query)), '[]')::text AS told"
        f" FROM ({about.sql}) a), shown AS MATERIALIZED ({shown.sql}), first AS (SELECT min(place) AS place FROM shown)"
        " SELECT f.*, f.place IS NOT NULL, CASE WHEN f.place IS NOT DISTINCT FROM i.place THEN t.told END"
        " FROM told t CROSS JOIN first i LEFT JOIN shown f ON true ORDER BY f.place",
        (*found.params, *about.params, *shown.params),
        prepare,
    )
    told = msgspec.json.decode(rows[0][-1], type=list[tuple[str | None, str | None, str | None]])
    if told:
        yield record([replace(row, patient=patient, entity=entity, query=query) for patient, entity, query in told])
    return [one[:-2] for one in rows if one[-2]]
