"""One step in the life of a resource whose type has rules of its own: who takes it, from what, to what.

Spec: FHIR R4, hl7.org/fhir/R4/request.html#statemachine
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext


class Actor(StrEnum):
    """Whose step it is. A system answers for itself: another record keeper, or this server at work."""

    SYSTEM = "system"
    PRACTITIONER = "practitioner"
    PATIENT = "patient"  # or who acts for the patient


class Step(msgspec.Struct, frozen=True):
    """`before` is None for what is new, `after` for what is deleted. `operation` is the server's own way of taking it
    (`Change.operation`), empty for everything that callers write themselves; `practitioner` is the logical id of the
    Practitioner whose step it is.
    """

    type: str
    actor: Actor
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    operation: str = ""
    practitioner: str | None = None


Rule = Callable[[Step], HealixError | None]
"""Why a step is refused; None where it may be taken."""


def actor_of(access: AccessContext) -> Actor:
    """Whom a caller counts as: a token of one patient is a patient's, unless a practitioner let the app in."""
    if access.practitioner is not None:
        return Actor.PRACTITIONER
    if access.person is not None or access.patient is not None:
        return Actor.PATIENT
    return Actor.SYSTEM


def refused(step: Step, element: str, why: str) -> HealixError:
    """The refusal of a step, which names the element that it is about."""
    return HealixError(Category.UNPROCESSABLE, f"{step.type}.{element}: {why}", expression=(f"{step.type}.{element}",))
