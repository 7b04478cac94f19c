"""What the capabilities document says of the storage commitment service.

Spec: PS3.18 13 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator

from dicomweb.api.accept import DICOM_XML, JSON_TYPES, MULTIPART
from dicomweb.api.capabilities.transaction import Transaction

ADDRESS = "/commitment-requests/{transaction}"
MODEL = (*JSON_TYPES, DICOM_XML)
TOLD = (*MODEL, f'{MULTIPART}; type="{DICOM_XML}"')


def rows() -> Iterator[tuple[tuple[str, str], Transaction]]:
    """By method and address below the base."""
    yield (
        ("POST", ADDRESS),
        Transaction(
            "Request Storage Commitment", "13.4", TOLD, MODEL, refused=(400, 401, 403, 406, 409, 413, 415, 429, 503)
        ),
    )
    yield (
        ("GET", ADDRESS),
        Transaction("Check Storage Commitment", "13.5", TOLD, refused=(400, 401, 403, 404, 406, 429, 503)),
    )
