"""Rules that could not be evaluated on what came: said beside the rule, where its authors look, and in the log."""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.care.alerts.assess import Failed
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.log import get_logger

log = get_logger("alerts")


def tell_failures(failed: Sequence[Failed]) -> Work[None]:
    """Keep the last reason for each source, if it is another than before."""
    if not failed:
        return
    reasons = {one.case.held.source: f"{one.case.held.rule.title}: {one.reason}" for one in failed}
    rows = yield Statement(
        """UPDATE alert_rule a SET failure = x.reason FROM unnest(%s::text[], %s::text[]) AS x (source, reason)
           WHERE a.source = x.source AND a.failure IS DISTINCT FROM x.reason RETURNING a.source""",
        (list(reasons), list(reasons.values())),
    )
    for (source,) in rows:
        log.warning("an alert rule cannot be evaluated", source=source, reason=reasons[source])
