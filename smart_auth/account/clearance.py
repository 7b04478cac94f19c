"""For which security labels an account is cleared.

Spec: HL7 Healthcare Privacy and Security Classification System (HCS), clearances
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.kernel.audit import OPERATOR, AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import invalid


def clear(username: str, labels: Sequence[str]) -> Work[None]:
    """Let an account see resources with `labels` (`system|code`), and no others that hide. Raises Invalid."""
    name = username.strip().lower()
    rows = yield Statement(
        "UPDATE account SET clearance = %s WHERE username = %s RETURNING username", (list(labels), name)
    )
    if not rows:
        raise invalid(f"there is no account '{username[:64]}'", code="not-found")
    said = "cleared for " + (", ".join(label.rpartition("|")[2] for label in labels) or "nothing")
    yield record([AuditRow(OPERATOR, "U", "account", entity=f"account/{name}", query=said)])
