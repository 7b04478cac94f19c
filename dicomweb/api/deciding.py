"""What is shown of an instance, decided before the audit trail says that it was shown.

A request that is refused (406 for a form that the instance has not, 400 for a frame that it has not) shows nothing, and
is not on record as if it did.

Spec: PS3.15 A.5.3.6 (2024d): DICOM Instances Accessed
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from dicomweb.api.edge import Edge
from dicomweb.api.forms import kinds_at_once, kinds_of
from dicomweb.study.held import Held
from dicomweb.study.pictures import Shown, of_held
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext

T = TypeVar("T")
Kinds = Sequence[str]


class _UndecidedError(HealixError):
    """It takes a look at more than the instance to know in which forms the instance can be shown."""

    def __init__(self, one: Shown) -> None:
        super().__init__(Category.UNAVAILABLE, "the forms of the instance are not known yet")
        self.one = one


async def decided(
    edge: Edge,
    access: AccessContext,
    uids: tuple[str, str, str],
    subtype: str,
    decide: Callable[[Shown, Kinds], T],
) -> T:
    """What `decide` makes of an instance and the forms that it can be shown in; audited as `subtype` unless it raises.

    Raises as `retrieve.instances`.
    """

    def at_once(held: Held) -> T:
        one = of_held(held)
        kinds = kinds_at_once(one)
        if kinds is None:
            raise _UndecidedError(one)
        return decide(one, kinds)

    try:
        return await edge.reader.one(access, uids, subtype, at_once)
    except _UndecidedError as error:
        kinds = await kinds_of(edge, access, error.one)
    return await edge.reader.one(access, uids, subtype, lambda held: decide(of_held(held), kinds))
