"""The engine is held to the official R4 suite of 935 cases."""

from __future__ import annotations

import pytest

from tests.support import fhirpath_suite


@pytest.mark.spec("FHIR R4 fhirpath.html", "FHIRPath N1")
def test_official_suite() -> None:
    """Exactly the excluded cases fail: no other one does, and none that passes stays excluded."""
    cases = list(fhirpath_suite.cases())
    failures = {case.name: why for case in cases if (why := fhirpath_suite.verdict(case))}
    excluded = fhirpath_suite.exclusions("fhirpath-r4")
    assert {name: why for name, why in failures.items() if name not in excluded} == {}
    assert sorted(set(excluded) - set(failures)) == []
    assert len(cases) == 935
