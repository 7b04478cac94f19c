"""The statement of the DICOMweb service for people, open to everyone: what there is at which address.

Spec: PS3.18 Annex H (2024d); PS3.2 N.1 (2024d)
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.dimse.storage_classes import STORAGE_CLASSES
from healix_fhir.kernel.language.catalogue import marked
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site

if TYPE_CHECKING:
    from dicomweb.api.capabilities.transaction import Transaction

ADDRESS = "/dicomweb"
SERVICES = {
    "10.4": marked("Retrieve (WADO-RS)"),
    "10.5": marked("Store (STOW-RS)"),
    "10.6": marked("Search (QIDO-RS)"),
    "": marked("Delete (not in the standard)"),
    "11": marked("Worklist (UPS-RS)"),
    "8.10": marked("Worklist (UPS-RS)"),
    "12": marked("Objects of no patient (NPI)"),
    "13": marked("Storage commitment"),
    "9": marked("URI service (WADO-URI)"),
}
"""What people call the services, by the beginning of the clause. What is at an address has the standard's name."""


async def show(site: Site, request: Request) -> Response:
    """GET /dicomweb"""
    from dicomweb.api.capabilities.table import REWRITTEN, table

    del request
    rows = sorted(
        ((service_of(one.clause), method, address, one) for (method, address), one in table().items()),
        key=lambda row: list(SERVICES.values()).index(row[0]),
    )
    services: list[tuple[str, list[tuple[str, str, Transaction]]]] = [
        (name, [row[1:] for row in found]) for name, found in groupby(rows, key=lambda row: row[0])
    ]
    return page(
        "dicomweb.html",
        base=f"{site.root}{ADDRESS}",
        root=site.root,
        services=services,
        syntaxes=REWRITTEN,
        classes=len(STORAGE_CLASSES),
    )


def service_of(clause: str) -> str:
    """The service that a clause of PS3.18 is of."""
    return next(name for start, name in SERVICES.items() if clause == start or clause.startswith(f"{start}."))
