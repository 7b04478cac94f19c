"""What the answer of a DICOMweb server says of the instances that it did not take."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dicomweb.errand.work import RefusedError
from dicomweb.routing.stow import refused

pytestmark = pytest.mark.spec("PS3.18 Table I.1-1 (2024d)")
INSTANCE = {"00081155": {"vr": "UI", "Value": ["1.2"]}}


def answer(*items: dict[str, Any]) -> bytes:
    """A response with these failed instances."""
    return msgspec.json.encode({"00081198": {"vr": "SQ", "Value": items}})


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", {}),
        (b"{}", {}),
        (answer(INSTANCE | {"00081197": {"vr": "US", "Value": [272]}}), {"1.2": 272}),
        (answer(INSTANCE | {"00081197": {"vr": "US"}}), {"1.2": 0}),
        (answer(INSTANCE), {"1.2": 0}),
    ],
    ids=["nothing", "no failure", "a reason", "an empty reason", "no reason"],
)
def test_failed_instances_are_refused_whatever_the_reason(body: bytes, found: dict[str, int]) -> None:
    """Who names an instance as failed has not taken it, also where no reason is told."""
    assert refused(body) == found


@pytest.mark.parametrize("body", [answer({}), answer({"00081155": {"vr": "UI"}}), b"<html>"])
def test_an_answer_that_tells_nothing_refuses_all(body: bytes) -> None:
    """Nothing is taken for sent."""
    with pytest.raises(RefusedError):
        refused(body)
