"""Retrieve Workitem: the one service behind UPS-RS and N-GET. The Transaction UID is not in what is kept as content.

Spec: PS3.18 11.5, PS3.4 CC.2.7 (2024d)
"""

from __future__ import annotations

from dicomweb.dicomjson.reading import DataSet
from dicomweb.workitem.rows import audited, find
from healix_fhir.kernel.database import Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


def retrieve(access: AccessContext, uid: str) -> Work[DataSet]:
    """The content of a workitem. Raises NotFound, Gone."""
    item = yield from find(access, Permission.READ, uid)
    yield audited(access, "R", "workitem-retrieve", item)
    return item.dataset
