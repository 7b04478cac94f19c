"""N-GET: a performed procedure step, or some attributes of it.

Spec: PS3.4 F.8.2.1 (2024d), PS3.7 10.1.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Collection

from dicomweb.dicomjson import dictionary
from dicomweb.dicomjson.reading import DataSet
from dicomweb.procedure.performed.attributes import BY_PATH
from dicomweb.procedure.performed.rows import audited, find
from dicomweb.procedure.performed.status import OPTIONAL_NOT_SUPPORTED
from dicomweb.status import SUCCESS
from healix_fhir.kernel.database import Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

KNOWN = BY_PATH.keys() | {"00080005"}
"""What may be asked for: attributes of the SOP class, and the character set, which an answer tells where it has one."""


def retrieve(access: AccessContext, uid: str, tags: Collection[str]) -> Work[tuple[DataSet, int]]:
    """The attributes of a step that are asked for by tag, all where none is, and the status. Raises RefusedError."""
    step = yield from find(access, Permission.READ, uid)
    yield audited(access, "R", "performed-step-retrieve", uid, step.patient)
    return selected(step.dataset, tags)


def selected(dataset: DataSet, tags: Collection[str]) -> tuple[DataSet, int]:
    """The attributes asked for, those of the SOP class that have no value empty; a warning where some are no such."""
    if not tags:
        return dataset, SUCCESS
    found = {tag: dataset.get(tag) or {"vr": _vr(tag)} for tag in sorted(set(tags)) if tag in dataset or tag in KNOWN}
    return found, SUCCESS if len(found) == len(set(tags)) else OPTIONAL_NOT_SUPPORTED


def _vr(tag: str) -> str:
    return dictionary.public(int(tag, 16)) or "UN"
