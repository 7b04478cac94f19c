"""Where the printed document of a signed order is kept: ids that follow from the order, so that it is kept once.

Spec: FHIR R4, hl7.org/fhir/R4/documentreference.html
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from healix_fhir.store.lifecycle.medication_request import is_reported

Json = Mapping[str, Any]
FILE = "prescriptions.file"
"""The job that prints and keeps what was signed."""
NAMESPACE = uuid.UUID("7f3b8a52-0c6e-5d1f-9a77-2f1f5f0f6c41")


def document_id(order: str) -> str:
    """The id of the DocumentReference of an order."""
    return str(uuid.uuid5(NAMESPACE, order))


def binary_id(order: str, language: str) -> str:
    """The id of the Binary of an order's document in a language."""
    return str(uuid.uuid5(NAMESPACE, f"{order} {language}"))


def is_signed(order: Json) -> bool:
    """Whether it was signed here, which has its Provenance. What somebody recorded as ordered by another one was not,
    whatever it says of itself.
    """
    told = (str(one.get("reference", "")) for one in order.get("eventHistory", ()))
    return not is_reported(order) and any(one.startswith("Provenance/") for one in told)
