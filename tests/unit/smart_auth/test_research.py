"""What research tokens open, and what apps of research may ask for."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import EVERYTHING, NOTHING, internal
from smart_auth.research import check_opens_resources, check_scope, opened
from smart_auth.scope import Permission, parse

pytestmark = pytest.mark.spec("PS3.15 E.1.1 (2026c)")


@pytest.mark.parametrize(
    ("scope", "wanted"),
    [
        ("system/ImagingStudy.rs", "rs"),
        ("user/ImagingStudy.r", "r"),
        ("system/*.cruds", "rs"),
        ("patient/*.rs launch/patient openid", "rs"),
        ("user/Patient.cruds", ""),
        ("system/ImagingStudy.rs?status=available", ""),
    ],
)
def test_scopes_count_for_images_and_to_look_only(scope: str, wanted: str) -> None:
    """Whatever a token's scopes say, research looks at the images of its project."""
    access = opened(3, "trial", parse(scope), Origin("app", "ada", "::1", "7"))
    for permission in Permission:
        allowed = permission in wanted
        assert access.allows("ImagingStudy", permission) is allowed
        condition = access.represented("ImagingStudy", permission, "s.pat", "s.imaging_study")
        assert (condition.sql, condition.params) == (("s.pat = %s", (-3,)) if allowed else (NOTHING.sql, ()))
        assert not access.allows("Patient", permission)
        assert access.predicate("Organization", permission, "r") == NOTHING
    assert (access.patient, access.practitioner, access.person) == (None, None, None)
    assert access.origin == Origin("app for research/trial", "ada", "::1", "7")
    with pytest.raises(HealixError) as refused:
        check_opens_resources(access)
    assert refused.value.category is Category.FORBIDDEN


def test_copies_are_left_out_of_everything() -> None:
    """Who may see every study sees no copy, and is refused nothing else."""
    everyone = internal("test")
    condition = everyone.represented("ImagingStudy", Permission.SEARCH, "s.pat", "s.imaging_study")
    assert condition.sql == "(s.pat IS NULL OR s.pat >= 0)"
    assert everyone.predicate("ImagingStudy", Permission.SEARCH, "r") == EVERYTHING
    check_opens_resources(everyone)


@pytest.mark.parametrize(
    ("scope", "fits"),
    [
        ("system/ImagingStudy.rs", True),
        ("user/ImagingStudy.s openid fhirUser offline_access", True),
        ("system/ImagingStudy.crs", False),
        ("system/*.rs", False),
        ("user/ImagingStudy.rs user/Patient.r", False),
        ("patient/ImagingStudy.rs", False),
        ("user/ImagingStudy.rs launch/patient", False),
        ("user/ImagingStudy.rs launch", False),
        ("system/ImagingStudy.rs?status=available", False),
        ("openid", False),
    ],
)
def test_what_an_app_of_research_asks_for(scope: str, fits: bool) -> None:
    """An app that may ask for more than images, or for a patient, is not one of research."""
    if fits:
        check_scope(scope)
        return
    with pytest.raises(HealixError, match="app of research"):
        check_scope(scope)
