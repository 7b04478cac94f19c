"""The conformance statement says of storage commitment what runs."""

from __future__ import annotations

from dicomweb.commitment.judge import FailureReason
from dicomweb.dimse.commitment_outcome import ReportStatus
from healix_fhir.server.statement.errands import WHEN, WHY, commitment


def test_each_failure_reason_is_explained() -> None:
    """A peer can look up why a reference fails."""
    assert set(WHEN) == set(FailureReason)
    assert set(WHY) == set(ReportStatus)
    assert all(f"{reason:04X}H" in commitment() for reason in FailureReason)
