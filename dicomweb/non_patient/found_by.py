"""The values that an object of no patient is found by, in the forms that the matching of workitems compares.

Spec: PS3.4 U.6.1.2, X.6.1.2, BB.6.1.2, HH.6.1.2, II.6.1.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from dicomweb.non_patient.models import Model
from dicomweb.workitem.keys import Key, keys, moments
from healix_fhir.kernel.errors import invalid

MOST_VALUES = 20_000
"""Values of one object, with the words of its names."""
DATE, TIME = "00080012", "00080013"
CREATION = f"{DATE}{TIME}"
"""The path of the moment that InstanceCreationDate and InstanceCreationTime are together."""


def found_by(model: Model, dataset: Mapping[str, Any]) -> list[Key]:
    """The values of the model's attributes. Raises Invalid for too many."""
    found = keys({tag: member for tag, member in dataset.items() if tag in model.attributes})
    day, time = (next(iter(dataset.get(tag, {}).get("Value") or [""])) for tag in (DATE, TIME))
    if day and time and (moment := moments(f"{day}{time}", UTC)) is not None:
        found.append(Key(CREATION, (), moment[0]))
    if len(found) > MOST_VALUES:
        raise invalid(f"the object may have at most {MOST_VALUES} values to be found by", code="too-costly")
    return found
