"""Retrieve Workitem: the one service behind UPS-RS and N-GET. The Transaction UID is not in what is kept as content.

Spec: PS3.18 11.5, PS3.4 CC.2.7 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb.dicomjson.reading import DataSet
from dicomweb.workitem.attributes import BY_TAG
from dicomweb.workitem.rows import audited, find
from dicomweb.workitem.status import Success
from healix_fhir.kernel.database import Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


def retrieve(access: AccessContext, uid: str) -> Work[DataSet]:
    """The content of a workitem. Raises NotFound, Gone."""
    item = yield from find(access, Permission.READ, uid)
    yield audited(access, "R", "workitem-retrieve", item)
    return item.dataset


def selected(dataset: DataSet, tags: Sequence[str]) -> tuple[DataSet, Success]:
    """The attributes of an item that are asked for, all where none is named; those of its IOD may be empty.

    Warns where some are neither in the item nor of its IOD. Spec: PS3.4 Table CC.2.7-1 (2024d)
    """
    if not tags:
        return dataset, Success.DONE
    wanted = set(tags)
    found = {
        tag: dataset.get(tag) or {"vr": BY_TAG[tag].vr} for tag in sorted(wanted) if tag in dataset or tag in BY_TAG
    }
    return found, Success.DONE if len(found) == len(wanted) else Success.OPTIONAL_NOT_SUPPORTED
