"""How much of an asked scope is granted."""

from __future__ import annotations

import pytest

from smart_auth.oauth.narrowing import for_role, narrowed


@pytest.mark.spec("RFC 6749 3.3")
@pytest.mark.parametrize(
    ("asked", "allowed", "granted"),
    [
        ("openid fhirUser", "openid", "openid"),
        ("patient/*.rs", "patient/*.cruds", "patient/*.rs"),
        ("patient/*.cruds", "patient/*.rs", "patient/*.rs"),
        ("patient/*.read", "patient/*.rs", "patient/*.read"),
        ("patient/*.*", "patient/*.rs", "patient/*.rs"),
        ("patient/Observation.write", "patient/*.c", "patient/Observation.c"),
        ("patient/*.rs", "patient/Patient.r patient/Observation.cs", "patient/Patient.r patient/Observation.s"),
        ("patient/Patient.rs", "user/*.rs system/*.rs", ""),
        ("system/*.rs", "patient/*.cruds user/*.cruds", ""),
        ("patient/Patient.rs", "patient/Observation.rs", ""),
        ("patient/Patient.r openid patient/Patient.r", "patient/*.r openid", "patient/Patient.r openid"),
        ("patient/Observation.rs?category=a", "patient/*.rs", "patient/Observation.rs?category=a"),
        ("patient/Observation.rs?category=a", "patient/*.r", "patient/Observation.r?category=a"),
        ("patient/Observation.rs?category=a", "patient/Observation.rs?category=a", "patient/Observation.rs?category=a"),
        ("patient/Observation.rs?category=a", "patient/Observation.rs?category=b", ""),
        ("patient/Observation.rs", "patient/Observation.rs?category=a", "patient/Observation.rs?category=a"),
        ("patient/Observation.r?category=b,a", "patient/*.r", "patient/Observation.r?category=b,a"),
        ("patient/Observation.r?category=a", "patient/*.r?category=a", ""),
        (
            "patient/Observation.rs",
            "patient/Observation.r?category=a patient/Observation.s?category=b",
            "patient/Observation.r?category=a patient/Observation.s?category=b",
        ),
        ("unknown patient/*. patient/x.rs", "patient/*.cruds", ""),
        ("patient/*.rs", "unknown", ""),
    ],
)
def test_narrowed(asked: str, allowed: str, granted: str) -> None:
    """What is allowed keeps the app's words, what is too wide is cut, what is not allowed is left out."""
    assert narrowed(asked, allowed) == granted


@pytest.mark.parametrize(
    ("role", "granted"),
    [
        ("patient", "openid patient/*.rs user/*.rs"),
        ("practitioner", "openid patient/*.rs user/*.rs"),
        ("admin", "openid"),
        ("unknown", "openid"),
    ],
)
def test_what_a_role_can_give(role: str, granted: str) -> None:
    """Patients give what they may see, clinicians their patients', administrators none, and nobody `system/`."""
    assert narrowed("openid patient/*.rs user/*.rs system/*.rs", for_role(role)) == granted
