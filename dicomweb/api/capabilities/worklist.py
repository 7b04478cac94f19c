"""The rows of the capabilities document for the worklist service.

Spec: PS3.18 11 and Table 11.3-1 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dicomweb.api.accept import DICOM_JSON, DICOM_XML, JSON_TYPES, MULTIPART
from dicomweb.api.capabilities.transaction import Transaction
from dicomweb.workitem.attributes import ATTRIBUTES, ENUMERATED

WORKITEM = "/workitems/{workitem}"
XML = f'{MULTIPART}; type="{DICOM_XML}"'
MODEL = (DICOM_JSON, "application/json", DICOM_XML, XML)
REFUSED = (400, 401, 403, 429, 503)
CHANGING = (400, 401, 403, 404, 409, 410, 413, 415, 429, 503)
SEARCHES = {"limit": (), "offset": (), "fuzzymatching": ("true", "false"), "includefield": ("all",)}


def matched() -> Mapping[str, tuple[str, ...]]:
    """The attributes of the standard's table that are searched by; any other attribute can be, inside sequences too."""
    return {row.keyword: tuple(sorted(ENUMERATED.get(row.tag, ()))) for row in ATTRIBUTES if row.vr != "SQ"} | SEARCHES


def rows() -> Iterator[tuple[tuple[str, str], Transaction]]:
    """By method and address below the base."""
    yield (
        ("POST", "/workitems"),
        Transaction(
            "Create Workitem", "11.4", (), MODEL, {"workitem": ()}, (201,), (*REFUSED[:3], 409, 413, 415, 429, 503)
        ),
    )
    yield (
        ("GET", "/workitems"),
        Transaction(
            "Search for Workitems", "11.9", (*JSON_TYPES, XML), (), matched(), refused=(*REFUSED[:3], 406, 429, 503)
        ),
    )
    yield (
        ("GET", WORKITEM),
        Transaction("Retrieve Workitem", "11.5", MODEL, refused=(*REFUSED[:3], 404, 406, 410, 429, 503)),
    )
    yield (
        ("POST", WORKITEM),
        Transaction("Update Workitem", "11.6", (), MODEL, {"transaction-uid": ()}, refused=CHANGING),
    )
    yield ("PUT", f"{WORKITEM}/state"), Transaction("Change Workitem State", "11.7", (), MODEL, refused=CHANGING)
    subscriber = f"{WORKITEM}/subscribers/{{aetitle}}"
    yield (
        ("POST", subscriber),
        Transaction(
            "Subscribe", "11.10", parameters={"deletionlock": ("true", "false"), "filter": ()}, done=(201,),
            refused=(*REFUSED[:3], 404, 410, 429, 503),
        ),
    )  # fmt: skip
    yield ("DELETE", subscriber), Transaction("Unsubscribe", "11.11", refused=(*REFUSED[:3], 404, 410, 429, 503))
    yield (
        ("POST", f"{subscriber}/suspend"),
        Transaction("Suspend Global Subscription", "11.12", refused=(*REFUSED[:3], 404, 429, 503)),
    )
    yield (
        ("GET", "/subscribers/{aetitle}"),
        Transaction("Open Notification Connection", "8.10.4", done=(101,), refused=(*REFUSED[:3], 426, 429, 503)),
    )
    yield (
        ("POST", f"{WORKITEM}/cancelrequest"),
        Transaction("Request Cancellation", "11.8", (), MODEL, done=(202,), refused=CHANGING),
    )
