"""N-GET: a performed procedure step, or some attributes of it.

Spec: PS3.4 F.8.2.1 (2024d), PS3.7 10.1.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Collection

from dicomweb.dicomjson.reading import DataSet
from dicomweb.procedure.performed.rows import audited, find
from healix_fhir.kernel.database import Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


def retrieve(access: AccessContext, uid: str, tags: Collection[str]) -> Work[DataSet]:
    """The attributes of a step that are asked for by tag; all where none is. Raises RefusedError."""
    step = yield from find(access, Permission.READ, uid)
    yield audited(access, "R", "performed-step-retrieve", uid, step.patient)
    return {tag: member for tag, member in step.dataset.items() if not tags or tag in tags}
