"""All the checks of DICOMweb."""

from __future__ import annotations

from conformance.check import Check
from conformance.imaging import describing, refusing, retrieving, searching, storing
from conformance.target import Target

CHECKS: tuple[Check[Target], ...] = (
    *refusing.CHECKS,
    *storing.CHECKS,
    *searching.CHECKS,
    *retrieving.CHECKS,
    *describing.CHECKS,
)
