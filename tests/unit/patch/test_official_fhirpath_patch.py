"""FHIRPath Patch is held to the official suite of 33 cases, none excluded."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.patch.fhirpath_patch import apply
from tests.support.fhirpath_patch_suite import Case, cases
from tests.support.resources import Json


@pytest.mark.spec("FHIR R4 fhirpatch.html")
def test_official_suite() -> None:
    """Each case gives its output, or is refused with its message."""
    found = list(cases())
    assert {case.name: why for case in found if (why := _verdict(case))} == {}
    assert len(found) == 33


def _verdict(case: Case) -> str:
    try:
        patched = apply(case.input, case.patch)
    except HealixError as error:
        return "" if case.error and case.error in error.message else error.message
    return "" if case.output is not None and _same(patched, case.output) else f"{patched} instead of {case.output}"


def _same(left: Json, right: Json) -> bool:
    """Narratives are the same when their XML is: quotes may be written as entities."""
    texts = [ET.canonicalize(resource.pop("text")["div"]) for resource in (left, right) if "text" in resource]
    return left == right and len(set(texts)) < 2
