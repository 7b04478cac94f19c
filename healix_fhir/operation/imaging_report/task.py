"""The Tasks of reading that a report answers: found by the orders it is based on, and locked while it is signed.

Spec: FHIR R4, hl7.org/fhir/R4/task.html
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.imaging_report import is_reading
from healix_fhir.model.json import decode

Json = dict[str, Any]
NAMESPACE = uuid.UUID("d9bb7a36-1d6c-5a53-9a55-51c1a4a6e0c2")
TASK = "Task"


def task_id(order: str) -> str:
    """The logical id of the Task of reading of an order: made again, it is the same."""
    return str(uuid.uuid5(NAMESPACE, f"{TASK} {order}"))


def tasks_of(orders: Sequence[str]) -> Work[list[Json]]:
    """The Tasks of reading of orders (logical ids), locked, in the order of their ids."""
    if not orders:
        return []
    rows = yield Statement(
        "SELECT r.body FROM resource r WHERE r.type = %s AND r.id = ANY(%s) AND NOT r.deleted"
        " ORDER BY r.id FOR UPDATE OF r",
        (TYPE_ID[TASK], sorted({task_id(one) for one in orders})),
    )
    return [task for (body,) in rows if is_reading(task := decode(bytes(body)))]
