"""Which scopes a person can grant an app."""

from __future__ import annotations

import pytest

from healix_fhir.search.granular import ScopeQueries
from smart_auth.oauth.authorize.scopes import CATEGORIES, chosen, finer, grantable, needs_patient
from smart_auth.queries import check_queries
from smart_auth.scope import parse, parse_one

TYPES = ("Observation", "Patient")
ALL = "patient/*.cruds user/*.cruds openid fhirUser profile launch launch/patient launch/encounter offline_access"


@pytest.mark.parametrize(
    ("role", "asked", "launched", "granted"),
    [
        ("patient", "patient/Observation.rs", False, "patient/Observation.rs"),
        ("patient", "patient/Observation.read patient/*.*", False, "patient/Observation.read patient/*.*"),
        ("patient", "user/Observation.rs patient/Patient.r", False, "user/Observation.rs patient/Patient.r"),
        ("practitioner", "user/Observation.rs patient/Patient.r", False, "user/Observation.rs patient/Patient.r"),
        ("practitioner", "system/*.rs nonsense patient/Nothing.rs openid", False, "openid"),
        ("patient", "launch launch/patient patient/*.r", False, "launch/patient patient/*.r"),
        ("practitioner", "launch/encounter patient/*.r", False, "launch/encounter patient/*.r"),
        ("patient", "launch launch/encounter patient/*.r", True, "launch launch/encounter patient/*.r"),
        ("patient", "fhirUser profile patient/*.r", False, "patient/*.r"),
        ("patient", "patient/Observation.rs?code=a", False, "patient/Observation.rs?code=a"),
        ("patient", "patient/Observation.rs?family=a patient/Observation.rs?code.text=a openid", False, "openid"),
        ("practitioner", "patient/Patient.rs user/Patient.rs openid", False, "user/Patient.rs openid"),
        ("practitioner", "patient/Patient.cr user/Patient.rs", False, "patient/Patient.cr user/Patient.rs"),
        ("practitioner", "launch/patient patient/*.r user/*.r", False, "launch/patient patient/*.r user/*.r"),
        ("practitioner", "launch patient/*.r user/*.r", True, "launch patient/*.r user/*.r"),
        ("patient", "patient/Patient.rs user/Patient.rs", False, "user/Patient.rs"),
        ("admin", "openid fhirUser launch/patient patient/*.rs user/*.rs", True, "openid fhirUser"),
    ],
)
def test_within_role(role: str, asked: str, launched: bool, granted: str) -> None:
    """A role bounds what can be granted; what is unknown, or has no meaning here, is left out."""
    assert " ".join(grantable(asked, ALL, role, TYPES, ScopeQueries(()), launched=launched)) == granted


def test_within_registration() -> None:
    """An app gets no more than it is registered for."""
    registered = "patient/Observation.rs openid"
    asked = "patient/*.rs patient/Observation.cruds openid offline_access"
    assert grantable(asked, registered, "patient", TYPES, ScopeQueries(()), launched=False) == (
        "patient/Observation.rs",
        "openid",
    )


def test_unticked() -> None:
    """What is not ticked is not granted, nor what was not offered; who somebody is needs openid."""
    offered = ("openid", "fhirUser", "patient/Patient.r")
    assert chosen(offered, {"fhirUser", "patient/Patient.r", "patient/*.cruds"}) == ("patient/Patient.r",)
    assert chosen(offered, set()) == ()


LABS, VITALS = (
    f"patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|{code}"
    for code in ("laboratory", "vital-signs")
)


@pytest.mark.parametrize(
    ("ticked", "granted"),
    [
        ({"patient/Observation.rs"}, ("patient/Observation.rs",)),
        ({LABS, VITALS}, (LABS, VITALS)),
        ({"patient/Observation.rs", LABS}, ("patient/Observation.rs",)),
        ({LABS, "openid", LABS.replace(".rs", ".cruds"), LABS.replace("patient", "user")}, (LABS, "openid")),
        ({LABS.replace("laboratory", "anything")}, ()),
        (set(), ()),
    ],
)
def test_finer_ones(ticked: set[str], granted: tuple[str, ...]) -> None:
    """Instead of a wide scope its parts can be ticked, and nothing that was not offered."""
    assert chosen(("patient/Observation.rs", "openid"), ticked) == granted


def test_finer_ones_can_be_granted() -> None:
    """What is offered is within what was asked for, and tokens can have it."""
    for type_name, categories in CATEGORIES.items():
        wide = f"patient/{type_name}.read"
        offered = finer(wide)
        assert len(offered) == len(categories) > 2
        assert all(parse_one(wide).covers(parse_one(one)) for one in offered)
        check_queries(parse(" ".join(offered)), ScopeQueries(()))


def test_one_patient() -> None:
    """Scopes of one patient need to know which."""
    assert needs_patient(["openid", "patient/Patient.r"])
    assert needs_patient(["launch/patient"])
    assert not needs_patient(["openid", "user/Patient.r"])
