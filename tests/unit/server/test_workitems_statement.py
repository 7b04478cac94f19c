"""The conformance statement says of workitems over DIMSE what runs."""

from __future__ import annotations

from enum import IntEnum

import pytest

from dicomweb.dimse.workitem_status import ServiceStatus
from dicomweb.workitem.status import Failure, Success
from healix_fhir.server.statement.workitems import WHEN, services


@pytest.mark.parametrize("statuses", [Success, Failure, ServiceStatus])
def test_every_status_is_explained(statuses: type[IntEnum]) -> None:
    """With its condition; none is left out that may be told."""
    assert {one for one in WHEN if isinstance(one, statuses)} == set(statuses)


def test_each_class_is_named_with_its_operations() -> None:
    """Of five classes four answer; the fifth is the one in which the server calls."""
    page = services()
    for number in range(1, 6):
        assert f"1.2.840.10008.5.1.4.34.6.{number}" in page
    assert "C-FIND, N-GET, N-SET, N-ACTION 1 (change state)" in page
