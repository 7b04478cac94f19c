"""All the checks of DICOMweb."""

from __future__ import annotations

from conformance.check import Check
from conformance.imaging import (
    committing,
    describing,
    negotiating,
    non_patient,
    refusing,
    retrieving,
    searching,
    storing,
    working,
)
from conformance.target import Target

CHECKS: tuple[Check[Target], ...] = (
    *refusing.CHECKS,
    *storing.CHECKS,
    *searching.CHECKS,
    *retrieving.CHECKS,
    *negotiating.CHECKS,
    *committing.CHECKS,
    *working.CHECKS,
    *non_patient.CHECKS,
    *describing.CHECKS,
)
